"""The control store: an older file, two processes on one file, and tables for PostgreSQL."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import insert, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from tailrace.core.errors import StoreError
from tailrace.governance.control import Control
from tailrace.governance.database import NAME
from tailrace.governance.schema import CHANGES, LOSSES, METADATA, MIGRATIONS

# The file as tailrace 0.1 wrote it.
FIRST = """
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
INSERT INTO losses VALUES ('t', 's', 1, 2, 3, 4, 5, 'spool_full', 6, 7);
PRAGMA user_version = 1;
"""


def use(place: Path | str, work: Callable[[Control], Awaitable[None]], owner: bool = True) -> None:
    async def main() -> None:
        control = Control(place, owner)
        try:
            await control.open()
            await work(control)
        finally:
            await control.close()

    asyncio.run(main())


async def nothing(control: Control) -> None: ...


def test_a_file_of_the_first_schema_keeps_its_rows_and_gets_the_new_tables(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / NAME) as connection:
        connection.executescript(FIRST)

    async def look(control: Control) -> None:
        rows = await control.read(lambda c: c.execute(select(LOSSES)).all())
        assert rows == [("t", "s", 1, 2, 3, 4, 5, "spool_full", 6, 7)]
        await control.run(lambda c: c.execute(insert(CHANGES).values(subject="x", number=1)))

    use(tmp_path, look)
    use(tmp_path, nothing)
    with sqlite3.connect(tmp_path / NAME) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert connection.execute("SELECT number FROM changes").fetchone() == (1,)


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    use(tmp_path / "control", nothing)
    assert (tmp_path / "control").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "control" / NAME).stat().st_mode & 0o777 == 0o600


def test_what_one_process_writes_another_reads_while_it_writes_on(tmp_path: Path) -> None:
    async def both(server: Control) -> None:
        command = Control(tmp_path, owner=False)
        await command.open()
        await command.run(lambda c: c.execute(insert(CHANGES).values(subject="x", number=1)))
        numbers = await server.read(lambda c: c.execute(select(CHANGES.c.number)).scalars().all())
        assert numbers == [1]
        await server.run(lambda c: c.execute(CHANGES.delete()))
        assert await command.read(lambda c: c.execute(select(CHANGES)).all()) == []
        await command.close()

    use(tmp_path, both)


def test_work_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    async def fail(control: Control) -> None:
        row = insert(CHANGES).values(subject="x", number=1)
        with pytest.raises(StoreError, match="UNIQUE"):
            await control.run(lambda c: (c.execute(row), c.execute(row)))
        with pytest.raises(ZeroDivisionError):
            await control.run(lambda c: (c.execute(row), 1 // 0))
        assert await control.read(lambda c: c.execute(select(CHANGES)).all()) == []

    use(tmp_path, fail)


def test_a_command_never_sets_the_servers_file_aside(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"no database, but long enough to be looked at" * 99)
    with pytest.raises(StoreError, match="not a database"):
        use(tmp_path, nothing, owner=False)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_an_error_names_the_server_and_no_password() -> None:
    with pytest.raises(StoreError, match=r"postgresql.*is not installed") as caught:
        use("postgresql+psycopg://tailrace:sesame@db/control", nothing)
    assert "sesame" not in str(caught.value)


def test_every_table_can_be_made_in_postgresql() -> None:
    assert {table for step in MIGRATIONS for table in step} == set(METADATA.tables.values())
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    for table in METADATA.sorted_tables:
        text = str(CreateTable(table).compile(dialect=dialect))
        assert "BIGINT" in text
        assert "SERIAL" not in text
