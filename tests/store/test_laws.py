"""The laws of a `FrameTable` and of `ArchiveFiles`. Every implementation is held to them: add one
to TABLES or ARCHIVES."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from tailrace.core.contracts import Delivery, Position, Recorded
from tailrace.core.errors import StoreError
from tailrace.core.frame import Frame
from tailrace.store.archive import Archive
from tailrace.store.engine import Engine
from tailrace.store.logs import LogTable
from tailrace.store.samples import SampleTable
from tailrace.store.spans import SpanTable
from tailrace.store.tables import bulk_tables, hot_tables
from tailrace.writer.archiver import ArchiveFiles
from tailrace.writer.batches import FrameTable

from ..writer.building import Kind, frame
from ..writer.fakes import FakeArchive, FakeTable, Faults
from .conftest import Use


class Implementation(NamedTuple):
    """How a table is made, and the kinds of frames that it takes."""

    make: Callable[[Engine, Path], FrameTable]
    kinds: Sequence[Kind]


EVERY: Sequence[Kind] = ("records", "samples", "spans", "lines")
TABLES: Mapping[str, Implementation] = {
    "logs": Implementation(lambda e, f: LogTable(e, "logs", "hot", f), ["records", "lines"]),
    "logs to archive": Implementation(
        lambda e, f: LogTable(e, "bulk_rows", "bulk", f), ["records"]
    ),
    "spans": Implementation(lambda e, f: SpanTable(e, "spans", "hot", f), ["spans"]),
    "samples": Implementation(
        lambda e, f: SampleTable(e, "samples", "hot", f, "exemplars"), ["samples"]
    ),
    "hot lane": Implementation(hot_tables, EVERY),
    "bulk lane": Implementation(bulk_tables, EVERY),
    "in memory": Implementation(lambda e, f: FakeTable(Faults()), EVERY),
}
Frames = Iterator[Frame]
Law = Callable[[FrameTable, Frames], Awaitable[None]]
Holds = Callable[[Law], None]


@pytest.fixture(params=list(TABLES))
def holds(request: pytest.FixtureRequest, use: Use, tmp_path: Path) -> Holds:
    """Runs a law with an empty table and frames of 1, 2, 3, ... rows for it."""
    make, kinds = TABLES[request.param]

    def run(law: Law) -> None:
        async def body(_: LogTable, engine: Engine) -> None:
            each = zip(itertools.count(1), itertools.cycle(kinds))
            await law(make(engine, tmp_path), (frame(n, rows=n, kind=kind) for n, kind in each))

        use(body)

    return run


def test_frames_are_counted_each_by_itself(holds: Holds) -> None:
    async def law(table: FrameTable, frames: Frames) -> None:
        *some, absent = itertools.islice(frames, 5)
        await table.insert(some)
        found = await table.stored([one.header for one in (*some, absent)])
        assert found == {one.header.key: one.header.rows for one in some}

    holds(law)


def test_a_frame_that_is_inserted_again_is_there_twice(holds: Holds) -> None:
    async def law(table: FrameTable, frames: Frames) -> None:
        _, one = next(frames), next(frames)
        await table.insert([one])
        await table.insert([one])
        assert await table.stored([one.header]) == {one.header.key: 4}

    holds(law)


def test_what_is_taken_out_is_gone_and_nothing_else(holds: Holds) -> None:
    async def law(table: FrameTable, frames: Frames) -> None:
        some = list(itertools.islice(frames, 4))
        await table.insert(some)
        await table.remove([one.header for one in some[1:3]])
        found = await table.stored([one.header for one in some])
        assert found == {one.header.key: one.header.rows for one in (some[0], some[3])}

    holds(law)


def test_an_insert_that_fails_can_be_taken_out_and_made_again(holds: Holds) -> None:
    async def law(table: FrameTable, frames: Frames) -> None:
        good, other = next(frames), next(frames)
        bad = Frame(other.header, b"no zstd")
        with pytest.raises(StoreError):
            await table.insert([good, bad])
        await table.remove([good.header, bad.header])
        await table.insert([good])
        found = await table.stored([good.header, bad.header])
        assert found == {good.header.key: good.header.rows}

    holds(law)


def test_a_frame_that_is_remembered_has_its_place_and_its_rows(holds: Holds) -> None:
    async def law(table: FrameTable, frames: Frames) -> None:
        one, two, other = itertools.islice(frames, 3)
        await table.remember([Delivery(one, Position(1, 1)), Delivery(two, Position(1, 2))])
        assert await table.remembered([one.header, two.header, other.header]) == {
            one.header.key: Recorded(Position(1, 1), 1),
            two.header.key: Recorded(Position(1, 2), 2),
        }

    holds(law)


def test_a_frame_that_is_remembered_twice_has_the_place_where_it_came_first(holds: Holds) -> None:
    async def law(table: FrameTable, frames: Frames) -> None:
        sent = next(frames)
        await table.remember([Delivery(sent, Position(2, 700))])
        await table.remember([Delivery(sent, Position(2, 80)), Delivery(sent, Position(10, 1))])
        found = await table.remembered([sent.header])
        assert found == {sent.header.key: Recorded(Position(2, 80), 1)}

    holds(law)


def test_the_newest_number_is_that_of_the_source_and_may_use_all_64_bits(holds: Holds) -> None:
    async def law(table: FrameTable, frames: Frames) -> None:
        header = next(frames).header
        assert await table.newest(header) == -1
        last = msgspec.structs.replace(header, seq=2**64 - 1)
        place = Position(3, 99)
        await table.remember([Delivery(Frame(one, b""), place) for one in (last, header)])
        assert await table.newest(header) == 2**64 - 1
        assert await table.newest(msgspec.structs.replace(header, epoch=2)) == -1

    holds(law)


def test_an_emptied_table_still_remembers(holds: Holds) -> None:
    async def law(table: FrameTable, frames: Frames) -> None:
        some = list(itertools.islice(frames, 4))
        headers = [one.header for one in some]
        await table.insert(some)
        await table.remember([Delivery(one, Position(1, 1)) for one in some])
        await table.clear()
        assert await table.stored(headers) == {}
        assert len(await table.remembered(headers)) == 4

    holds(law)


def test_nothing_is_asked_about_no_frames(holds: Holds) -> None:
    async def law(table: FrameTable, frames: Frames) -> None:
        await table.insert([])
        await table.remove([])
        await table.remember([])
        assert (await table.stored([]), await table.remembered([])) == ({}, {})

    holds(law)


class Places(NamedTuple):
    """An archive and the tables that its rows come from."""

    hot: FrameTable
    bulk: FrameTable
    archive: ArchiveFiles


async def on_disk(engine: Engine, folder: Path) -> Places:
    archive = Archive(engine, folder / "archive")
    await archive.open()
    return Places(hot_tables(engine, folder), bulk_tables(engine, folder), archive)


async def in_memory(engine: Engine, folder: Path) -> Places:
    hot, bulk = FakeTable(Faults()), FakeTable(Faults())
    return Places(hot, bulk, FakeArchive(Faults(), hot, bulk))


ARCHIVES = {"on disk": on_disk, "in memory": in_memory}
ArchiveLaw = Callable[[Places], Awaitable[None]]


@pytest.fixture(params=list(ARCHIVES))
def archives(
    request: pytest.FixtureRequest, use: Use, tmp_path: Path
) -> Callable[[ArchiveLaw], None]:
    """Runs a law with an empty archive."""

    def run(law: ArchiveLaw) -> None:
        async def body(_: LogTable, engine: Engine) -> None:
            await law(await ARCHIVES[request.param](engine, tmp_path))

        use(body)

    return run


def test_a_step_has_the_rows_of_both_lanes_and_reaches_its_place(
    archives: Callable[[ArchiveLaw], None],
) -> None:
    async def law(places: Places) -> None:
        hot, bulk = frame(1, rows=3), frame(2, rows=2, kind="samples")
        await places.hot.insert([hot, frame(3)])
        await places.bulk.insert([bulk])
        assert places.archive.upto == Position(0, 0)
        rows, files, size = await places.archive.step([hot.header], [bulk.header], Position(1, 9))
        assert (rows, files > 0, size > 0) == (5, True, True)
        assert places.archive.upto == Position(1, 9)

    archives(law)


def test_a_step_with_another_number_of_rows_than_its_frames_say_is_none(
    archives: Callable[[ArchiveLaw], None],
) -> None:
    async def law(places: Places) -> None:
        here, absent = frame(1), frame(2)
        await places.hot.insert([here])
        with pytest.raises(StoreError, match="2 rows where its frames say 4"):
            await places.archive.step([here.header, absent.header], [], Position(1, 9))
        assert places.archive.upto == Position(0, 0)

    archives(law)
