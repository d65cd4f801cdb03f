"""The labels of one row, in the three categories that clients tell apart."""

from __future__ import annotations

from collections.abc import Mapping

ERROR = "__error__"
DETAILS = "__error_details__"
RESERVED = frozenset({ERROR, DETAILS})


class LabelSet:
    """Labels of a stream, structured metadata, and what stages parsed or set.

    The mappings given are shared between rows: they are never changed, and copied before a stage
    takes something out of them. `parsed` belongs to the row. `__error__` and `__error_details__`
    read and write as labels of the category parsed, but never come from a line.
    """

    __slots__ = (
        "_metadata",
        "_stream",
        "details",
        "error",
        "original_metadata",
        "original_stream",
        "parsed_labels",
    )

    def __init__(self, stream: Mapping[str, str], metadata: Mapping[str, str]) -> None:
        self.original_stream = self._stream = stream
        self.original_metadata = self._metadata = metadata
        self.parsed_labels: dict[str, str] = {}
        self.error = ""
        self.details = ""

    def find(self, name: str) -> str | None:
        """The value, or None where the row has no such label."""
        value = self.parsed_labels.get(name)
        if value is None:
            value = self._stream.get(name)
            if value is None:
                value = self._metadata.get(name)
                if value is None and name in RESERVED:
                    return (self.error if name == ERROR else self.details) or None
        return value

    def get(self, name: str) -> str:
        """The value, "" where the row has no such label."""
        value = self.parsed_labels.get(name)
        return (self.find(name) if value is None else value) or ""

    def set(self, name: str, value: str) -> None:
        """Makes it a parsed label, whatever it was."""
        if name in RESERVED:
            self._set_reserved(name, value)
            return
        self._uncover(name)
        self.parsed_labels[name] = value

    def fail(self, error: str, details: str) -> None:
        """Mark the row; of several errors the last one is told."""
        self.error = error
        self.details = details

    def remove(self, name: str) -> None:
        """Nothing happens where there is none. Without `__error__` there are no details, too."""
        if name in RESERVED:
            self._set_reserved(name, "")
            return
        self.parsed_labels.pop(name, None)
        self._uncover(name)

    def rename(self, source: str, target: str) -> None:
        """The label keeps its category. Nothing happens where there is no `source`."""
        value = self.find(source)
        if value is None or source == target:
            return
        category = self._category(source)
        self.remove(source)
        self.remove(target)
        if category == "stream":
            self._stream = {**self._stream, target: value}
        elif category == "metadata":
            self._metadata = {**self._metadata, target: value}
        else:
            self.parsed_labels[target] = value

    def names(self) -> list[str]:
        """All names but those of errors."""
        return [*self._stream, *self._metadata, *self.parsed_labels]

    def stream(self) -> dict[str, str]:
        """What is left of the stream's labels."""
        return dict(self._stream)

    def metadata(self) -> dict[str, str]:
        """What is left of the structured metadata."""
        return {k: v for k, v in self._metadata.items() if k not in self._stream}

    def parsed(self) -> dict[str, str]:
        """What stages parsed, set or reported."""
        return {**self.parsed_labels, **self._errors()}

    def merged(self) -> dict[str, str]:
        """All labels; of equal names the parsed one goes before the stream's before metadata's."""
        return {**self._metadata, **self._stream, **self.parsed_labels, **self._errors()}

    def _errors(self) -> dict[str, str]:
        if not self.error and not self.details:
            return {}
        both = {ERROR: self.error, DETAILS: self.details}
        return {name: value for name, value in both.items() if value}

    def _set_reserved(self, name: str, value: str) -> None:
        if name == DETAILS:
            self.details = value
            return
        self.error = value
        if not value:
            self.details = ""

    def _category(self, name: str) -> str:
        if name in self.parsed_labels or name in RESERVED:
            return "parsed"
        return "stream" if name in self._stream else "metadata"

    def _uncover(self, name: str) -> None:
        if name in self._stream:
            self._stream = {k: v for k, v in self._stream.items() if k != name}
        if name in self._metadata:
            self._metadata = {k: v for k, v in self._metadata.items() if k != name}
