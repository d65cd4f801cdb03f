"""What differs between the databases that may hold the control store.

SQLite is one file, `control.sqlite`: WAL, `PRAGMA user_version` is the number of migrations, and a
transaction that may write takes the lock at its start, so that none fails half way. PostgreSQL has
a file of its own, postgresql.py.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, DBAPIError

from tailrace.core import log

_log = log.get("governance")
NAME = "control.sqlite"
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_DAMAGED_KEPT = 4


class Database(Protocol):
    """One kind. `where` names it in errors, without a password."""

    where: str

    def engine(self) -> Engine:
        """Ready for work, not migrated. Raises SQLAlchemyError, StoreError, OSError."""
        ...

    def version(self, connection: Connection) -> int:
        """Migrations that were applied; nobody else applies any before this transaction ends."""
        ...

    def set_version(self, connection: Connection, number: int) -> None: ...

    def bounded(self) -> AbstractContextManager[None]:
        """Around all that uses a connection: it fails if the database does not answer at all."""
        ...

    def scrub(self, engine: Engine) -> bool:
        """What was overwritten or deleted is gone from the files as well, as far as this can be had
        of the database; False to try again later. Raises SQLAlchemyError."""
        ...

    def set_aside(self, error: DBAPIError) -> bool:
        """Put a store that `error` shows to be damaged where a person finds it; False otherwise."""
        ...


class Sqlite:
    """The file in `directory`, for its owner alone."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / NAME
        self.where = str(self._path)

    def engine(self) -> Engine:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.touch(mode=0o600)
        engine = create_engine(f"sqlite:///{self._path}", pool_size=1, hide_parameters=True)
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
        try:
            with engine.connect() as connection:
                if connection.exec_driver_sql("PRAGMA quick_check(1)").scalar() != "ok":
                    raise _corrupt()
        except BaseException:
            engine.dispose()
            raise
        return engine

    def version(self, connection: Connection) -> int:
        return int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())

    def set_version(self, connection: Connection, number: int) -> None:
        connection.exec_driver_sql(f"PRAGMA user_version = {number}")

    def bounded(self) -> AbstractContextManager[None]:
        return nullcontext()

    def scrub(self, engine: Engine) -> bool:
        """`secure_delete` has overwritten it in the pages; here the log of older pages ends."""
        with engine.connect() as connection:
            # Not within a transaction, so past SQLAlchemy, which would begin one.
            cursor = connection.connection.cursor()
            busy, *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            cursor.close()
        return not busy

    def set_aside(self, error: DBAPIError) -> bool:
        """Keeps the damaged file and its log; the last few of them."""
        if int(getattr(error.orig, "sqlite_errorcode", 0)) & 0xFF not in _DAMAGED:
            return False
        kept = self._path.with_name(f"{NAME}.damaged-{time.time_ns()}")
        for suffix in ("", "-wal", "-shm"):
            path = self._path.with_name(NAME + suffix)
            if path.exists():
                path.rename(kept.with_name(kept.name + suffix))
        _log.error(
            "control file was damaged; a fresh one is begun, without tokens and keys",
            extra={"kept": str(kept)},
        )
        names = {path.name.split("-")[1] for path in kept.parent.glob(f"{NAME}.damaged-*")}
        for number in sorted(names)[:-_DAMAGED_KEPT]:
            for path in kept.parent.glob(f"{NAME}.damaged-{number}*"):
                path.unlink()
        return True


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    """`sqlite3` would begin transactions by itself, and too late."""
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA secure_delete = ON")


def _begin(connection: Connection) -> None:
    """As Control asked: `durable` is synced at its end, `reads` waits for no writer."""
    options = connection.get_execution_options()
    level = "FULL" if options.get("durable") else "NORMAL"
    connection.exec_driver_sql(f"PRAGMA synchronous = {level}")
    connection.exec_driver_sql("BEGIN" if options.get("reads") else "BEGIN IMMEDIATE")


def _corrupt() -> DatabaseError:
    found = sqlite3.DatabaseError("quick_check failed")
    found.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return DatabaseError("PRAGMA quick_check", None, found)
