"""Backups that a server makes of itself: what is taken in which order, and what becomes of them."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from directories import data_directory

from tailrace.app.backup import live
from tailrace.app.backup.folder import Folder, Kept
from tailrace.app.backup.live import Backups
from tailrace.app.backup.making import Wanted
from tailrace.app.backup.moment import Moment, Places
from tailrace.core.clock import ManualClock
from tailrace.core.deletion import Deletion, Place, Reason
from tailrace.core.errors import Busy, ConfigError, StoreError
from tailrace.core.metrics import Metrics
from tailrace.queue.held import Held, hold
from tailrace.queue.segment import Extent

DAY_NS = 86_400 * 10**9


class Order:
    """What happened, one after another. It stands for the engine, the queue and the record."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.directory = places.data / "store"
        self.events: list[str] = []
        self.noted: list[Deletion] = []
        self.failing = False
        self.extents = [Extent(number, 2_000) for number in (1, 2, 3)]

    async def rows(self, _sql: str) -> list[tuple[str]]:
        return [("frames",), ("logs",)]

    @contextlib.asynccontextmanager
    async def still(self) -> AsyncIterator[Callable[[str], Awaitable[None]]]:
        async def run(sql: str) -> None:
            self.events.append(sql.partition(" FREEZE")[0])

        self.events.append("still")
        yield run
        self.events.append("written again")

    async def held(self) -> Held:
        self.events.append("queue")
        if self.failing:
            raise Busy("the queue is closed")
        return hold(self.places.data / "queue", self.extents)

    async def note(self, deletions: Sequence[Deletion]) -> None:
        if self.failing:
            raise StoreError("no record")
        self.noted += deletions


def backups(order: Order, directory: Path | str, metrics: Metrics | None = None) -> Backups:
    given = cast(Any, order)
    return Backups(
        str(directory), order.places, given, given, given, ManualClock(), metrics or Metrics()
    )


@pytest.fixture
def order(tmp_path: Path) -> Order:
    return Order(data_directory(tmp_path / "data"))


async def ended(some: Backups) -> live.State:
    assert some._task is not None
    await some._task
    found = some.state()
    assert found is not None
    return found


def test_all_is_of_one_moment(
    order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = Moment.hold_rest

    def said(moment: Moment) -> None:
        order.events.append("control, horizon, manifest")
        rest(moment)

    monkeypatch.setattr(Moment, "hold_rest", said)

    async def main() -> None:
        some = backups(order, tmp_path / "backups")
        await some.open()
        some.begin(Wanted("one"))
        with pytest.raises(Busy):
            some.begin(Wanted("two"))
        assert (await ended(some)).state == "done"

    asyncio.run(main())
    assert order.events == [
        "still", "ALTER TABLE frames", "ALTER TABLE logs", "queue", "control, horizon, manifest",
        "written again",
    ]  # fmt: skip
    (kept,) = Folder(tmp_path / "backups").kept()
    assert (kept.name, kept.error) == ("one", "")


def test_those_whose_time_is_over_go_when_there_is_a_newer_one(
    order: Order, tmp_path: Path
) -> None:
    metrics = Metrics()

    async def main() -> None:
        some = backups(order, tmp_path / "backups", metrics)
        for name, keep_s in (("short", 60.0), ("long", 10 * 86_400.0), ("ever", 0.0)):
            some.begin(Wanted(name, keep_s))
            assert (await ended(some)).state == "done"
        cast(ManualClock, some._clock).advance(86_400)
        some.measure()
        assert "tailrace_backup_age_seconds 86400" in metrics.render()
        order.failing = True
        some.begin(Wanted("failed"))
        assert (await ended(some)).error == "the queue is closed"
        assert [one.name for one in await some.kept()] == ["ever", "long", "short"]
        order.failing = False
        some.begin(Wanted("new"))
        assert (await ended(some)).state == "done"
        assert [one.name for one in await some.kept()] == ["ever", "long", "new"]

    asyncio.run(main())
    (gone,) = order.noted
    assert (gone.place, gone.reason, gone.subject) == (
        Place.BACKUP, Reason.EXPIRED, "the backup short",
    )  # fmt: skip
    said = metrics.render()
    assert 'tailrace_backups_total{kind="done"} 4' in said
    assert 'tailrace_backups_total{kind="failed"} 1' in said


def test_one_that_cannot_be_noted_stays(order: Order, tmp_path: Path) -> None:
    async def main() -> None:
        some = backups(order, tmp_path / "backups")
        some.begin(Wanted("short", 60.0))
        await ended(some)
        cast(ManualClock, some._clock).advance(86_400)

        async def fails(_deletions: Sequence[Deletion]) -> None:
            raise StoreError("no record")

        order.note = fails  # type: ignore[method-assign]
        some.begin(Wanted("new"))
        assert (await ended(some)).state == "done"
        assert {one.name for one in await some.kept()} == {"short", "new"}

    asyncio.run(main())


def test_without_a_directory_nobody_makes_one(order: Order) -> None:
    async def main() -> None:
        some = backups(order, "")
        await some.open()
        with pytest.raises(ConfigError, match=r"backup\.directory"):
            some.begin(Wanted("one"))
        with pytest.raises(ConfigError, match=r"backup\.directory"):
            await some.kept()
        await some.close()

    asyncio.run(main())


def test_backups_that_cannot_be_listed_stop_no_start(
    order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_folder: Folder) -> list[Kept]:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Folder, "kept", refused)

    async def main() -> None:
        some = backups(order, tmp_path / "backups")
        await some.open()
        some.begin(Wanted("one"))
        assert (await ended(some)).state == "failed"

    asyncio.run(main())


def test_a_server_that_stops_ends_the_one_that_is_made(order: Order, tmp_path: Path) -> None:
    async def main() -> None:
        some = backups(order, tmp_path / "backups")
        some.begin(Wanted(""))
        await some.close()
        found = some.state()
        assert found is not None
        assert (found.state, "stopped before" in found.error) == ("failed", True)

    asyncio.run(main())
    assert [one.name for one in (tmp_path / "backups").iterdir()] == [".lock"]
