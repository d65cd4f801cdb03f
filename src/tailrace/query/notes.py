"""What an evaluation has to tell beside its answer."""

from __future__ import annotations


class Notes:
    """Remarks on an answer, each once, in the order they were made."""

    def __init__(self) -> None:
        self._found: dict[str, None] = {}

    def add(self, text: str) -> None:
        self._found.setdefault(text)

    @property
    def texts(self) -> list[str]:
        return list(self._found)
