"""Files of the archive that are known to be damaged: gone, of another size, or of other bytes.

Layout of the file `damaged` beside the manifest: a line of checked.py, what is wrong by path. It is
replaced whole at each change, so that a restart knows as well. A file of it that is broken or gone
says that nothing is known: what is damaged is found again by verification.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

import msgspec

from tailrace.core import limits
from tailrace.core.disk import write_whole
from tailrace.store import checked


class _Record(msgspec.Struct, frozen=True):
    damaged: dict[str, str]


class Damage:
    """What is wrong, by path under the archive. Changing it blocks, call it off the event loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changing = threading.Lock()
        self.known: dict[str, str] = {}

    def open(self) -> None:
        """Read what was known."""
        try:
            record = checked.parse(self._path.read_bytes(), _Record)
        except OSError:
            record = None
        self.known = dict(record.damaged) if record else {}

    def note(self, path: str, wrong: str) -> bool:
        """A file is found to be wrong: whether that is news. Raises OSError; it is known then, too.
        Of more than ARCHIVE_DAMAGED the first are known."""
        with self._changing:
            if path in self.known or len(self.known) >= limits.ARCHIVE_DAMAGED:
                return False
            self.known = {**self.known, path: wrong}
            self._write()
            return True

    def forget(self, paths: Iterable[str]) -> None:
        """Files that are whole again, or count no more. Raises OSError."""
        with self._changing:
            gone = self.known.keys() & set(paths)
            if gone:
                self.known = {path: why for path, why in self.known.items() if path not in gone}
                self._write()

    def _write(self) -> None:
        write_whole(self._path, checked.line(_Record(self.known)))
