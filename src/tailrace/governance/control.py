"""The control file: what is remembered beside the data, in SQLite.

    data_dir/control/control.sqlite     WAL, one process, one connection in one thread
    agents   tenant, source             the key
             first_seen_ns              server's clock, UTC
             last_seen_ns
             since_ns                   when the run that was heard last was first heard
             announcement               its last words, JSON of core.fleet.Announcement, no losses
    losses   tenant, source, epoch, first_seq      the key: said again it is the same one
             last_seq, rows, bytes, reason, at_ns  as core.fleet.Loss
             received_ns                server's clock when it was first heard of

`PRAGMA user_version` is the number of migrations that were applied; a file with more than are
known here is refused. A file that is damaged is kept as `control.sqlite.damaged-NANOSECONDS` and a
fresh one is begun: agents come back by themselves, and losses that were not confirmed are said
again.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from tailrace.core import log
from tailrace.core.errors import StoreError

_log = log.get("governance")
_T = TypeVar("_T")
NAME = "control.sqlite"
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_DAMAGED_KEPT = 4
_MIGRATIONS = (
    """
    CREATE TABLE agents (
        tenant TEXT NOT NULL, source TEXT NOT NULL, first_seen_ns INTEGER NOT NULL,
        last_seen_ns INTEGER NOT NULL, since_ns INTEGER NOT NULL, announcement BLOB NOT NULL,
        PRIMARY KEY (tenant, source));
    CREATE TABLE losses (
        tenant TEXT NOT NULL, source TEXT NOT NULL, epoch INTEGER NOT NULL,
        first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL, rows INTEGER NOT NULL,
        bytes INTEGER NOT NULL, reason TEXT NOT NULL, at_ns INTEGER NOT NULL,
        received_ns INTEGER NOT NULL,
        PRIMARY KEY (tenant, source, epoch, first_seq));
    CREATE INDEX losses_by_time ON losses (tenant, received_ns);
    """,
)


class Control:
    """Runs work on the one connection. `open` before, `close` after."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / NAME
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="control")
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Raises StoreError when the file cannot be used, OSError for its directory."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._open)

    async def run(self, work: Callable[[sqlite3.Connection], _T], durable: bool = False) -> _T:
        """`work` in one transaction. `durable`: synced when this returns. Raises StoreError."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._run, work, durable)

    async def close(self) -> None:
        """Wait for what runs, then let the file go."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    def _open(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            try:
                self._connection = _connect(self._path)
            except sqlite3.DatabaseError as error:
                if _code(error) not in _DAMAGED:
                    raise
                self._set_aside()
                self._connection = _connect(self._path)
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from None

    def _set_aside(self) -> None:
        """Keep the damaged file and its log for a person; a few of them."""
        kept = self._path.with_name(f"{NAME}.damaged-{time.time_ns()}")
        for suffix in ("", "-wal", "-shm"):
            path = self._path.with_name(NAME + suffix)
            if path.exists():
                path.rename(kept.with_name(kept.name + suffix))
        _log.error("control file was damaged; a fresh one is begun", extra={"kept": str(kept)})
        names = {path.name.split("-")[1] for path in kept.parent.glob(f"{NAME}.damaged-*")}
        for number in sorted(names)[:-_DAMAGED_KEPT]:
            for path in kept.parent.glob(f"{NAME}.damaged-{number}*"):
                path.unlink()

    def _run(self, work: Callable[[sqlite3.Connection], _T], durable: bool) -> _T:
        connection = self._connection
        if connection is None:
            raise StoreError("the control file is not open")
        try:
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                return work(connection)
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from None

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _connect(path: Path) -> sqlite3.Connection:
    """Open, check, migrate. Raises sqlite3.Error, StoreError."""
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            damaged = sqlite3.DatabaseError("quick_check failed")
            damaged.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise damaged
        connection.execute("PRAGMA journal_mode = WAL")
        _migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(_MIGRATIONS):
        raise StoreError(
            f"{path} was written by a newer tailrace (schema {version}, known are "
            f"{len(_MIGRATIONS)}); run that one, or move the file away"
        )
    for number, migration in enumerate(_MIGRATIONS[version:], version + 1):
        connection.executescript(f"BEGIN; {migration}; PRAGMA user_version = {number}; COMMIT;")


def _code(error: sqlite3.Error) -> int:
    """The primary code; 0 for an error of the module itself."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
