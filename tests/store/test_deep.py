"""Rows that are taken away or changed behind the record's back are found, and nothing else is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tailrace.core import limits
from tailrace.core.clock import ManualClock
from tailrace.core.contracts import Delivery, Position
from tailrace.core.frame import Frame, Lane, Signal
from tailrace.core.ledger import Differing, Gone
from tailrace.store import sql
from tailrace.store.archive import Archive
from tailrace.store.deep import Deep
from tailrace.store.engine import Engine
from tailrace.store.horizon import Horizon
from tailrace.store.keep import Group, Groups
from tailrace.store.tables import bulk_tables, hot_tables
from tailrace.wire.samples import Sample

from .building import HOUR_NS, NOW, frame
from .conftest import Use
from .test_samples import metrics
from .test_spans import span, traced

HOUR = NOW - NOW % HOUR_NS
UPTO = Position(3, 99)
OVER = f"Timestamp < {sql.moment(HOUR)}"


def rows(seq: int, lane: Lane = Lane.BOTH, source: str = "test") -> Frame:
    """Two rows in the hour that is over and one in this."""
    times = (HOUR - 2, HOUR - 1, HOUR)
    data = b"".join(b'{"time":%d,"body":"%d"}\n' % (time, time) for time in times)
    return frame(data, seq, lane=lane, source=source)


class Kept:
    """Frames that are stored and archived and recorded."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self.engine = engine
        self.path = path
        self.archive = Archive(engine, path / "archive", ManualClock(NOW))
        self.horizon = Horizon(path / "horizon")
        self.deep = Deep(engine, self.archive, self.horizon)

    async def keep(self, *frames: Frame) -> None:
        await self.archive.open()
        self.horizon.open(Position(0, 0))
        hot, bulk = hot_tables(self.engine, self.path), bulk_tables(self.engine, self.path)
        parted = ([f for f in frames if f.header.lane is not Lane.BULK], frames)
        of_bulk = [f for f in frames if f.header.lane is Lane.BULK]
        for table, some in ((hot, parted[0]), (bulk, of_bulk)):
            if some:
                await table.insert(some)
                await table.remember([Delivery(f, Position(3, f.header.seq)) for f in some])
        both = [f.header for f in frames if f.header.lane is Lane.BOTH]
        await self.archive.step(both, [f.header for f in of_bulk], UPTO)
        await bulk.clear()

    async def differing(
        self, upto: Position = UPTO, gone: tuple[Gone, ...] = (), source: str = ""
    ) -> list[Differing]:
        found = await self.deep.compare("default", NOW - HOUR_NS, upto, gone, source)
        return found.differing

    async def delete(self, where: str, table: str = "logs") -> None:
        await self.engine.write(
            f"ALTER TABLE {table} DELETE WHERE {where} SETTINGS mutations_sync=2"
        )


@pytest.fixture
def kept(use: Use, tmp_path: Path) -> Callable[[Callable[[Kept], Awaitable[None]]], None]:
    def run(body: Callable[[Kept], Awaitable[None]]) -> None:
        use(lambda _, engine: body(Kept(engine, tmp_path)))

    return run


In = Callable[[Callable[[Kept], Awaitable[None]]], None]


def test_what_is_whole_is_found_whole(kept: In) -> None:
    async def body(kept: Kept) -> None:
        frames = [rows(1), rows(2, Lane.HOT), rows(3, Lane.BULK), rows(4)]
        await kept.keep(*frames, metrics(Sample(NOW, "n", 1), seq=5), traced(span(), seq=6))
        found = await kept.deep.compare("default", NOW - HOUR_NS, UPTO, ())
        assert found == (6, 14, [])
        assert await kept.deep.compare("shop", NOW - HOUR_NS, UPTO, ()) == (0, 0, [])

    kept(body)


def test_hot_rows_that_are_gone_are_named_and_so_are_those_that_nobody_recorded(kept: In) -> None:
    async def body(kept: Kept) -> None:
        await kept.keep(rows(1), rows(2), rows(3, Lane.HOT), rows(4, source="other"))
        await kept.delete(f"Seq = 1 AND {OVER}")
        await kept.delete("Seq = 3")
        await kept.delete("Seq = 4", "frames")
        assert await kept.differing() == [
            Differing("other", 1, 4, 3, 0, 3, 0, False),
            Differing("test", 1, 1, 1, 3, 3, 3, False),
            Differing("test", 1, 3, 0, 3, 0, 0, False),
        ]
        assert len(await kept.differing(source="other")) == 1

    kept(body)


def test_archived_rows_that_are_gone_or_say_something_else_are_named(kept: In) -> None:
    async def body(kept: Kept) -> None:
        await kept.keep(rows(1), rows(2, Lane.BULK))
        await kept.engine.write(
            "ALTER TABLE logs UPDATE Body = 'x' WHERE Seq = 1 SETTINGS mutations_sync=2"
        )
        assert await kept.differing() == [Differing("test", 1, 1, 3, 3, 3, 3, True)]
        newest = max(kept.archive.directory.rglob("bulk*.parquet"))
        newest.unlink()
        lost = [one for one in await kept.differing() if one.seq == 2]
        assert [(one.archived < 3, one.archived_recorded) for one in lost] == [(True, 3)]

    kept(body)


def test_rows_that_left_on_purpose_are_not_missed(kept: In) -> None:
    async def body(kept: Kept) -> None:
        await kept.keep(rows(1), rows(2, Lane.HOT))
        await kept.delete(OVER)
        assert len(await kept.differing()) == 2
        assert await kept.differing(gone=(Gone("logs", "", HOUR - 9, HOUR - 1),)) == []
        other = Gone("logs", "another", HOUR - 9, HOUR - 1)
        assert [one.seq for one in await kept.differing(gone=(other,))] == [1]
        await kept.delete("Seq = 1")
        assert [one.seq for one in await kept.differing(gone=(Gone("", "", 1, HOUR - 1),))] == [1]

    kept(body)


def test_a_horizon_says_what_left(kept: In) -> None:
    async def body(kept: Kept) -> None:
        await kept.keep(rows(1))
        await kept.delete(OVER)
        kept.horizon.raise_to(HOUR, UPTO)
        assert kept.horizon.of(Signal.LOGS) == HOUR
        assert await kept.differing() == []

    kept(body)


def test_a_service_has_a_horizon_of_its_own(kept: In) -> None:
    async def body(kept: Kept) -> None:
        await kept.keep(rows(1))
        await kept.delete(OVER)
        names = Groups(services=("web", "unknown_service"))
        web = Group(None, "web")
        kept.horizon.raise_to({(Signal.LOGS, web): HOUR}, UPTO, names)
        assert [one.seq for one in await kept.differing()] == [1]
        kept.horizon.raise_to({(Signal.LOGS, Group(None, "unknown_service")): HOUR}, UPTO, names)
        assert await kept.differing() == []

    kept(body)


def test_what_is_on_its_way_is_left_for_later(kept: In) -> None:
    async def body(kept: Kept) -> None:
        await kept.keep(rows(1), rows(2))
        await kept.delete("true")
        assert [one.seq for one in await kept.differing(Position(3, 1))] == [1]

    kept(body)


def test_so_many_frames_are_named(kept: In, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DEEP_FRAMES", 2)
    monkeypatch.setattr(limits, "DEEP_FILES", 1)

    async def body(kept: Kept) -> None:
        await kept.keep(*(rows(seq) for seq in range(1, 5)))
        await kept.delete("true")
        assert len(await kept.differing()) == 2

    kept(body)
