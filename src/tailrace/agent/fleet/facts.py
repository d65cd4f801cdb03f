"""Small files that say something of the machine."""

from __future__ import annotations

from pathlib import Path

from tailrace.core import limits

FILE_BYTES = limits.MIB
VALUE_CHARACTERS = 256


class Facts:
    """Reads below `root`, each file at most once. What cannot be read is empty."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._texts: dict[str, str] = {}

    def text(self, path: str) -> str:
        """The whole file, at most FILE_BYTES; "" when it is longer."""
        if path not in self._texts:
            self._texts[path] = self._read(self._root / path)
        return self._texts[path]

    def _read(self, path: Path) -> str:
        try:
            with path.open("rb") as file:
                data = file.read(FILE_BYTES + 1)
        except OSError:
            return ""
        return data.decode("utf-8", "replace") if len(data) <= FILE_BYTES else ""

    def line(self, path: str) -> str:
        """The first line, fit to be a value."""
        return self.clean(self.text(path).partition("\n")[0])

    def exists(self, path: str) -> bool:
        """Whether there is such a file or folder."""
        return (self._root / path).exists()

    @staticmethod
    def clean(text: str) -> str:
        """A value: stripped, of bounded length; "" when a terminal might obey it."""
        value = text.strip("\0 \t\r\n")[:VALUE_CHARACTERS]
        return value if value.isprintable() else ""
