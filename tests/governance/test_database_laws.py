"""The laws of a Database. The file and the server are held to them; add one to `DATABASES`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, insert, select, text
from sqlalchemy.exc import IntegrityError

from tailrace.governance.database import Database, Sqlite
from tailrace.governance.postgresql import Postgresql
from tailrace.governance.schema import CHANGES, METADATA

PASSWORD = "sesame-0815"


def sqlite(request: pytest.FixtureRequest) -> Database:
    path: Path = request.getfixturevalue("tmp_path")
    return Sqlite(path / "control")


def server(request: pytest.FixtureRequest) -> Database:
    return Postgresql(request.getfixturevalue("schema"), lambda: PASSWORD)


DATABASES: dict[str, Callable[[pytest.FixtureRequest], Database]] = {
    "sqlite": sqlite,
    "postgresql": server,
}


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest) -> Database:
    return DATABASES[request.param](request)


@contextmanager
def opened(database: Database) -> Iterator[Engine]:
    engine = database.engine()
    try:
        yield engine
    finally:
        engine.dispose()


def migrate(database: Database, connection: Connection, number: int) -> int:
    """The version that was there before, as Control brings a store to another."""
    before = database.version(connection)
    database.set_version(connection, number)
    return before


def subjects(connection: Connection) -> list[str]:
    return list(connection.execute(select(CHANGES.c.subject)).scalars())


def test_a_version_is_nought_at_first_and_then_the_last_that_was_set(database: Database) -> None:
    found = []
    for number in (1, 5, 9):
        with opened(database) as engine, engine.begin() as connection:
            found.append(migrate(database, connection, number))
    assert found == [0, 1, 5]


def test_a_version_of_a_transaction_that_failed_was_never_set(database: Database) -> None:
    with opened(database) as engine:
        with pytest.raises(ZeroDivisionError), engine.begin() as connection:
            _ = migrate(database, connection, 7) // 0
        with engine.begin() as connection:
            assert database.version(connection) == 0


def test_nobody_else_migrates_before_the_transaction_ends(database: Database) -> None:
    asks, found = threading.Event(), list[int]()
    with opened(database) as first, opened(database) as second:

        def other() -> None:
            asks.set()
            with second.begin() as connection:
                found.append(migrate(database, connection, 4))

        thread = threading.Thread(target=other)
        with first.begin() as connection:
            migrate(database, connection, 3)
            thread.start()
            assert asks.wait(10)
            thread.join(0.2)
            assert found == []
        thread.join(10)
    assert found == [3]


def test_whoever_reads_waits_for_nobody_who_writes(database: Database) -> None:
    with opened(database) as writing, opened(database) as reading:
        with writing.begin() as connection:
            METADATA.create_all(connection, tables=[CHANGES])
        with writing.begin() as writer, reading.connect() as reader:
            writer.execute(insert(CHANGES).values(subject="tokens", number=7))
            reader.execution_options(reads=True)
            assert subjects(reader) == []
        with reading.connect() as reader:
            assert subjects(reader.execution_options(reads=True)) == ["tokens"]


def test_what_is_rubbed_out_leaves_the_rest_as_it_was(database: Database) -> None:
    with opened(database) as engine:
        with engine.begin() as connection:
            METADATA.create_all(connection, tables=[CHANGES])
            for number, subject in enumerate(("tokens", "keys")):
                connection.execute(insert(CHANGES).values(subject=subject, number=number))
        with engine.begin() as connection:
            connection.execute(CHANGES.delete().where(CHANGES.c.subject == "keys"))
        assert database.scrub(engine)
        with engine.begin() as connection:
            assert subjects(connection) == ["tokens"]


def test_work_that_ends_in_time_is_not_bounded(database: Database) -> None:
    with opened(database) as engine:
        for _ in range(2):
            with database.bounded(), engine.begin() as connection:
                assert connection.execute(text("SELECT 1")).scalar() == 1


def test_an_error_that_is_no_damage_sets_nothing_aside(database: Database) -> None:
    row = insert(CHANGES).values(subject="tokens", number=7)
    with opened(database) as engine:
        with engine.begin() as connection:
            METADATA.create_all(connection, tables=[CHANGES])
            connection.execute(row)
        with pytest.raises(IntegrityError) as error, engine.begin() as connection:
            connection.execute(row)
        assert not database.set_aside(error.value)
        with engine.begin() as connection:
            assert subjects(connection) == ["tokens"]


def test_where_it_is_says_no_password(database: Database) -> None:
    assert database.where
    assert PASSWORD not in database.where
