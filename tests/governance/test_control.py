"""The control store: an older file, and two processes on one store."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from places import Place, nothing
from sqlalchemy import Connection, Table, insert, select

from tailrace.core.alerting import Alert, Evaluated, Phase
from tailrace.core.errorpatterns import Remembered
from tailrace.core.errors import StoreError
from tailrace.governance.alerts import states
from tailrace.governance.alerts.store import ControlAlerts
from tailrace.governance.control import Control
from tailrace.governance.database import NAME
from tailrace.governance.schema import CHANGES, LOSSES, MIGRATIONS

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


def test_a_file_of_the_first_schema_keeps_its_rows_and_gets_the_new_tables(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / NAME) as connection:
        connection.executescript(FIRST)

    async def look(control: Control) -> None:
        rows = await control.read(lambda c: c.execute(select(LOSSES)).all())
        assert rows == [("t", "s", 1, 2, 3, 4, 5, "spool_full", 6, 7)]
        await control.run(lambda c: c.execute(insert(CHANGES).values(subject="x", number=1)))

    Place(tmp_path).use(look)
    Place(tmp_path).use(nothing)
    with sqlite3.connect(tmp_path / NAME) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert connection.execute("SELECT number FROM changes").fetchone() == (1,)


def test_a_store_of_the_fifth_schema_keeps_its_alerts_and_remembers_errors_from_then_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its alerts fire while it is migrated, and stay as they were, also one that fired and ended in
    missed slots, of which `left_ns` said so; the old one is refused then."""
    labels = (("alertname", "Slow"),)
    fires = Alert("shop", "r", labels, (), Phase.FIRING, 1.5, 1, 2)
    over = Alert("shop", "s", labels, (), Phase.RESOLVED, 1.5, 1, 2, 3, 3, missed_ns=2)
    seen = Remembered("shop", "1", "web", 3, 4)

    async def before(control: Control) -> None:
        def work(connection: Connection) -> None:
            rows = [{**states.row(one), "left_ns": left} for one, left in ((fires, 0), (over, -1))]
            (then,) = (
                one for one in MIGRATIONS[4] if isinstance(one, Table) and one.name == "alerts"
            )
            connection.execute(
                insert(then), [{c.name: row[c.name] for c in then.c} for row in rows]
            )

        await control.run(work)

    async def after(control: Control) -> None:
        store = ControlAlerts(control)
        assert sorted(await store.alerts(), key=lambda one: one.rule) == [fires, over]
        assert await store.remembered("shop", ["1"]) == {}
        await store.looked(Evaluated("shop", "r", 10), [], [seen])
        assert await store.remembered("shop", ["1"]) == {"1": seen}

    with monkeypatch.context() as old:
        old.setattr("tailrace.governance.control.MIGRATIONS", MIGRATIONS[:5])
        place.use(before)
    place.use(after)
    place.use(nothing)
    monkeypatch.setattr("tailrace.governance.control.MIGRATIONS", MIGRATIONS[:5])
    with pytest.raises(StoreError, match="newer tailrace"):
        place.use(nothing)


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    Place(tmp_path / "control").use(nothing)
    assert (tmp_path / "control").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "control" / NAME).stat().st_mode & 0o777 == 0o600


def test_what_one_process_writes_another_reads_while_it_writes_on(place: Place) -> None:
    async def both(server: Control) -> None:
        command = place.control(owner=False)
        await command.open()
        await command.run(lambda c: c.execute(insert(CHANGES).values(subject="x", number=1)))
        numbers = await server.read(lambda c: c.execute(select(CHANGES.c.number)).scalars().all())
        assert numbers == [1]
        await server.run(lambda c: c.execute(CHANGES.delete()))
        assert await command.read(lambda c: c.execute(select(CHANGES)).all()) == []
        await command.close()

    place.use(both)


def test_work_that_fails_leaves_nothing_behind(place: Place) -> None:
    async def fail(control: Control) -> None:
        row = insert(CHANGES).values(subject="x", number=1)
        with pytest.raises(StoreError, match=r"UNIQUE|unique"):
            await control.run(lambda c: (c.execute(row), c.execute(row)))
        with pytest.raises(ZeroDivisionError):
            await control.run(lambda c: (c.execute(row), 1 // 0))
        assert await control.read(lambda c: c.execute(select(CHANGES)).all()) == []

    place.use(fail)


def test_what_is_asked_of_a_closed_store_is_refused_and_closing_again_is_quiet(
    place: Place,
) -> None:
    async def close(control: Control) -> None:
        await control.close()
        await control.close()
        with pytest.raises(StoreError, match="closed"):
            await control.read(lambda c: c.execute(select(CHANGES)).all())
        with pytest.raises(StoreError, match="closed"):
            await control.scrub()

    place.use(close)


def test_a_command_never_sets_the_servers_file_aside(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"no database, but long enough to be looked at" * 99)
    with pytest.raises(StoreError, match="not a database"):
        Place(tmp_path).use(nothing, owner=False)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
