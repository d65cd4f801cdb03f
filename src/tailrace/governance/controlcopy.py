"""A copy of the control store's file as it was at one moment, while others write to it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from tailrace.core.errors import StoreError
from tailrace.governance.database import NAME


class ControlCopy:
    """The moment is when it is made: a transaction that reads has the store as it was then.

    Blocking. `close` it: until then the write-ahead log grows.
    """

    def __init__(self, directory: Path) -> None:
        """Raises StoreError for a store that cannot be read."""
        self._path = directory / NAME
        with self._failing():
            self._connection = sqlite3.connect(
                f"file:{self._path}?mode=rw",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
            )
        with contextlib.ExitStack() as held, self._failing():
            held.callback(self._connection.close)
            self._connection.execute("BEGIN")
            self.version = int(self._connection.execute("PRAGMA user_version").fetchone()[0])
            self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            held.pop_all()

    def write(self, path: Path) -> None:
        """Write it to the new file `path`, whole in that one file. Raises StoreError, OSError."""
        path.touch(mode=0o600, exist_ok=False)
        with self._failing(), contextlib.closing(sqlite3.connect(path)) as target:
            self._connection.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")

    def close(self) -> None:
        """Idempotent."""
        self._connection.close()

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from None
