"""Fields of a mapping in a rule file, each of its kind, and every other one an error."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence

from tailrace.alerts.rules.durations import read_duration
from tailrace.alerts.rules.nodes import Mapping, Node, Scalar
from tailrace.alerts.rules.nodes import Sequence as Items
from tailrace.alerts.rules.source import Source
from tailrace.core.alerting import Labels
from tailrace.core.limits import RULE_LABELS, RULE_NAME_CHARS, RULE_TEMPLATE_CHARS

_WHOLE = re.compile(r"[0-9]{1,9}")
_NUMBER = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:[eE][+-]?[0-9]{1,3})?")
# Names that need no quotes in a query: Prometheus allows any other since its version 3.
_USUAL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class Fields:
    """`what` says in errors whose fields they are. Where `node` is no mapping there are none."""

    def __init__(self, source: Source, node: Node, what: str, known: Sequence[str]) -> None:
        self._source = source
        self.start = node.start
        self._values: dict[str, tuple[Scalar, Node]] = {}
        if not isinstance(node, Mapping):
            source.error(node.start, f"{what} has to be a mapping of {', '.join(known)}")
            return
        for key, value in pairs(source, node):
            if key.value in known:
                self._values[key.value] = (key, value)
            else:
                source.error(key.start, f"unknown field {key.value[:100]!r} of {what}"
                             f"{_nearest(key.value, known)}")  # fmt: skip

    def has(self, name: str) -> bool:
        """Whether it is there with a value."""
        return self._node(name) is not None

    def key(self, name: str) -> int:
        """Where its name stands, or else the mapping."""
        return self._values[name][0].start if name in self._values else self.start

    def scalar(self, name: str) -> Scalar | None:
        """None for one that is not there, and, after an error, for another kind."""
        node = self._node(name)
        if node is None or isinstance(node, Scalar):
            return node
        self._source.error(node.start, f"{name} has to be a text")
        return None

    def text(self, name: str, longest: int = RULE_NAME_CHARS) -> str:
        """ "" for one that is not there."""
        found = self.scalar(name)
        if found is None:
            return ""
        if len(found.value) > longest:
            self._source.error(found.start, f"{name} is longer than {longest} characters")
        return found.value

    def duration(self, name: str, default_ns: int) -> int:
        """Nanoseconds."""
        found = self.scalar(name)
        if found is None:
            return default_ns
        duration = read_duration(found.value)
        if duration is None:
            said = f"{name} has to be a duration up to ten years such as 30s or 1h30m"
            self._source.error(found.start, f"{said}, not {found.value[:100]!r}")
            return default_ns
        return duration

    def whole(self, name: str) -> int:
        """A number from 0; 0 for one that is not there."""
        found = self.scalar(name)
        if found is None:
            return 0
        if not _WHOLE.fullmatch(found.value):
            self._source.error(found.start, f"{name} has to be a whole number from 0")
            return 0
        return int(found.value)

    def share(self, name: str) -> float:
        """A number from 0 to 1; 0 for one that is not there."""
        found = self.scalar(name)
        if found is None:
            return 0.0
        value = float(found.value) if _NUMBER.fullmatch(found.value) else -1.0
        if not 0 <= value <= 1:
            self._source.error(found.start, f"{name} has to be a number from 0 to 1")
            return 0.0
        return value

    def items(self, name: str, most: int, bound: str) -> tuple[Node, ...]:
        """Of a list; none for one that is not there."""
        node = self._node(name)
        if node is None:
            return ()
        if not isinstance(node, Items):
            self._source.error(node.start, f"{name} has to be a list")
            return ()
        if len(node.items) > most:
            self._source.error(node.items[most].start, f"more than {most} {name} ({bound})")
        return node.items[:most]

    def names(self, name: str) -> tuple[str, ...]:
        """Names of labels in a list, each once; none for one that is not there."""
        found: dict[str, None] = {}
        for node in self.items(name, RULE_LABELS, "RULE_LABELS"):
            if isinstance(node, Scalar) and _USUAL.fullmatch(node.value):
                found[node.value] = None
            else:
                self._source.error(node.start, f"{name} has to be a list of names of labels")
        return tuple(found)

    def named(self, name: str) -> dict[str, tuple[Scalar, Scalar]]:
        """Texts by name, such as labels, each with the places of both."""
        node = self._node(name)
        if node is None:
            return {}
        if not isinstance(node, Mapping):
            self._source.error(node.start, f"{name} has to be a mapping of names to texts")
            return {}
        found = {}
        for key, value in pairs(self._source, node):
            if self._name(name, key) and self._value(name, key, value):
                assert isinstance(value, Scalar)
                found[key.value] = (key, value)
        if len(found) > RULE_LABELS:
            self._source.error(node.start, f"more than {RULE_LABELS} {name} (RULE_LABELS)")
        return found

    def _node(self, name: str) -> Node | None:
        """A null is as if it were not there, as in Prometheus."""
        node = self._values[name][1] if name in self._values else None
        return None if isinstance(node, Scalar) and node.is_null else node

    def _name(self, kind: str, key: Scalar) -> bool:
        if not key.value:
            self._source.error(key.start, f"a name in {kind} is empty")
        elif len(key.value) > RULE_NAME_CHARS:
            self._source.error(key.start, f"the name is longer than {RULE_NAME_CHARS} characters")
        elif kind == "labels" and key.value == "__name__":
            self._source.error(key.start, "__name__ cannot be a label of a rule")
        else:
            if kind == "labels" and not _USUAL.fullmatch(key.value):
                shown = repr(key.value[:100])
                self._source.warning(key.start, f"the label {shown} has to be quoted in queries")
            return True
        return False

    def _value(self, kind: str, key: Scalar, value: Node) -> bool:
        if not isinstance(value, Scalar):
            self._source.error(value.start, f"{key.value[:100]} of {kind} has to be a text")
        elif len(value.value) > RULE_TEMPLATE_CHARS:
            message = f"longer than {RULE_TEMPLATE_CHARS} characters (RULE_TEMPLATE_CHARS)"
            self._source.error(value.start, f"{key.value[:100]} is {message}")
        else:
            return True
        return False


def labels_of(named: dict[str, tuple[Scalar, Scalar]]) -> Labels:
    """Sorted by name. A null is the empty text, as in Prometheus."""
    return tuple(
        sorted((name, "" if value.is_null else value.value) for name, (_, value) in named.items())
    )


def pairs(source: Source, node: Mapping) -> Iterator[tuple[Scalar, Node]]:
    """Keys and values, those that `<<` merges last and only where they are not there already.
    Other keys that are there twice are errors."""
    first: dict[str, int] = {}
    merged: list[Node] = []
    for key, value in node.pairs:
        if not isinstance(key, Scalar):
            source.error(key.start, "a name has to be a text")
        elif key.value == "<<" and not key.style:
            merged += value.items if isinstance(value, Items) else [value]
        elif key.value in first:
            line = source.place(first[key.value])[0]
            source.error(key.start, f"{key.value[:100]!r} is there twice, first in line {line}")
        else:
            first[key.value] = key.start
            yield key, value
    for one in merged:
        if not isinstance(one, Mapping):
            source.error(one.start, "<< merges mappings")
            continue
        for key, value in pairs(source, one):
            if key.value not in first:
                first[key.value] = key.start
                yield key, value


def _nearest(name: str, known: Sequence[str]) -> str:
    found = difflib.get_close_matches(name.lower()[:100], known, 1)
    return f"; is it {found[0]!r}?" if found else f"; there are {', '.join(known)}"
