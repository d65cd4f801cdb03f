"""The control store: what is remembered beside the data.

By default the file `data_dir/control/control.sqlite`, which one server and any number of short
commands share; or a database of PostgreSQL, which gateways share too. schema.py has the tables,
database.py and postgresql.py what the two do differently.

A store with more migrations than are known here is refused. A file that is damaged is kept as
`control.sqlite.damaged-NANOSECONDS` and the server begins a fresh one: agents come back by
themselves, losses that were not confirmed are said again, tokens, silences and rules that came by
the API have to be made again, alerts begin anew, and pseudonyms have new keys.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from tailrace.core.errors import StoreError
from tailrace.governance.database import Database, Sqlite
from tailrace.governance.schema import MIGRATIONS

_T = TypeVar("_T")


class Control:
    """Runs work on one connection, in one thread. `open` before, `close` after."""

    def __init__(self, place: Path | Database, owner: bool = True) -> None:
        """`place` is the directory of the file, or a database. Only its `owner`, which is the
        server, sets a damaged file aside: nobody else may then have it open."""
        self._database: Database = Sqlite(place) if isinstance(place, Path) else place
        self._owner = owner
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="control")
        self._engine: Engine | None = None
        self._closed = False

    async def open(self) -> None:
        """Raises StoreError when the store cannot be used, OSError for its directory."""
        await self._in_thread(self._open)

    async def run(self, work: Callable[[Connection], _T], durable: bool = False) -> _T:
        """`work` in one transaction. `durable`: synced when this returns. Raises StoreError."""
        return await self._ask(work, durable=durable)

    async def read(self, work: Callable[[Connection], _T]) -> _T:
        """`work` that writes nothing, so that it waits for nobody who writes. Raises StoreError."""
        return await self._ask(work, reads=True)

    async def scrub(self) -> bool:
        """What was overwritten is gone from the files too; see Database. Raises StoreError."""
        return await self._in_thread(self._scrub)

    async def close(self) -> None:
        """Wait for what runs, then let the store go. What is asked afterwards is a StoreError."""
        if not self._closed:
            closing = self._in_thread(self._close)
            self._closed = True
            await closing
            self._thread.shutdown(wait=False)

    async def _ask(self, work: Callable[[Connection], _T], **options: bool) -> _T:
        return await self._in_thread(partial(self._run, work, options))

    def _in_thread(self, work: Callable[[], _T]) -> Awaitable[_T]:
        if self._closed:
            raise StoreError("the control store is closed")
        return asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _open(self) -> None:
        try:
            try:
                self._engine = self._ready()
            except DBAPIError as error:
                if not self._owner or not self._database.set_aside(error):
                    raise
                self._engine = self._ready()
        except SQLAlchemyError as error:
            raise self._failed(error) from None

    def _ready(self) -> Engine:
        engine = self._database.engine()
        try:
            with self._database.bounded(), engine.begin() as connection:
                self._migrate(connection)
        except BaseException:
            engine.dispose()
            raise
        return engine

    def _migrate(self, connection: Connection) -> None:
        version = self._database.version(connection)
        if version > len(MIGRATIONS):
            raise StoreError(
                f"{self._database.where} was written by a newer tailrace (schema {version}, known "
                f"are {len(MIGRATIONS)}); run that one, or begin another store"
            )
        for number, step in enumerate(MIGRATIONS[version:], version + 1):
            for one in step:
                if isinstance(one, str):
                    connection.exec_driver_sql(one)
                else:
                    one.create(connection)
            self._database.set_version(connection, number)

    def _run(self, work: Callable[[Connection], _T], options: dict[str, bool]) -> _T:
        if self._engine is None:
            raise StoreError("the control store is not open")
        try:
            with self._database.bounded(), self._engine.connect() as connection:
                connection.execution_options(**options).begin()
                found = work(connection)
                connection.commit()
                return found
        except SQLAlchemyError as error:
            raise self._failed(error) from None

    def _scrub(self) -> bool:
        if self._engine is None:
            raise StoreError("the control store is not open")
        try:
            with self._database.bounded():
                return self._database.scrub(self._engine)
        except SQLAlchemyError as error:
            raise self._failed(error) from None

    def _failed(self, error: SQLAlchemyError) -> StoreError:
        """In the database's words; their first line, since others may hold values of a row."""
        words = str(error.orig if isinstance(error, DBAPIError) else error)
        return StoreError(f"{self._database.where}: {words.partition(chr(10))[0]}")

    def _close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None
