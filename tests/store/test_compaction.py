"""Packing the archive: the same rows in few files, which any reader reads, through every crash."""

from __future__ import annotations

import asyncio

import msgspec
import pyarrow.parquet as pq
import pytest

from tailrace.core import limits
from tailrace.core.errors import StoreError
from tailrace.core.frame import Signal
from tailrace.store import parquet, rewriting
from tailrace.store.compaction import HELD_S
from tailrace.store.engine import Engine
from tailrace.store.leaving import GRACE_S

from .archived import HOUR_NS, START, Place
from .conftest import Kept


class Power(BaseException):
    """Fails."""


def test_an_hour_that_is_over_is_one_file_with_the_same_rows(archived: Kept) -> None:
    async def body(place: Place) -> None:
        await place.filled(*Signal)
        before, names = place.rows(), place.on_disk()
        raw = {signal: place.files(signal) for signal in Signal}
        bounds = {signal: (one.first_ns, two.last_ns) for signal, (one, two, _) in raw.items()}
        await place.turn()
        assert place.on_disk() == names, "too early"
        place.later(11)
        await place.turn()
        assert place.rows() == before
        for signal in Signal:
            packed, *rest = place.files(signal)
            assert (packed.packed, packed.rows, len(rest)) == (True, 12, 1)
            assert packed.path.rpartition("/")[0] == rest[0].path.rpartition("/")[0].replace(
                "hour=01", "hour=00"
            )
            assert (packed.first_ns, packed.last_ns) == bounds[signal]
            assert packed.checksum == parquet.checksum(place.folder / packed.path)
            day = START // (24 * HOUR_NS)
            assert packed.epochs == (day, day)
        assert len(place.files(tenant="other")) == 1
        # A query that began before reads the old ones as long as it may take.
        assert names < place.on_disk()
        for _ in range(2):  # what is of the next hour is packed by then
            place.clock.advance(GRACE_S)
            await place.turn()
        assert place.on_disk() == place.archive.manifest.paths()
        assert place.metrics.get("tailrace_archive_packed_files_total") == 10
        assert place.metrics.get("tailrace_archive_files") == len(place.on_disk())

    archived(body)


def test_a_pack_is_in_order_and_has_the_filters_that_are_asked_for(archived: Kept) -> None:
    async def body(place: Place) -> None:
        await place.filled(*Signal)
        place.later(60)
        await place.turn()
        for signal, wanted in (
            (Signal.LOGS, {"TraceId", "ServiceName"}),
            (Signal.SPANS, {"TraceId", "ServiceName"}),
            (Signal.METRICS, {"MetricName"}),
        ):
            file = pq.ParquetFile(place.folder / place.files(signal)[0].path)
            group = file.metadata.row_group(0)
            columns = [group.column(n) for n in range(group.num_columns)]
            assert {one.path_in_schema for one in columns if one.bloom_filter_length} == wanted
            assert all(one.compression == "ZSTD" for one in columns)
            rows = file.read().to_pylist()
            key = ("MetricName", "Fingerprint") if signal is Signal.METRICS else ("ServiceName",)
            order = [tuple(row[name] for name in (*key, "Timestamp")) for row in rows]
            assert order == sorted(order)

    archived(body)


def test_a_trace_that_is_not_there_is_not_looked_for_in_the_rows(archived: Kept) -> None:
    async def body(place: Place) -> None:
        await place.filled()
        [there] = [row for row in place.rows() if f"line {START}'" in repr(row)]
        place.later(60)
        await place.turn()
        path = place.folder / place.files()[0].path
        known = pq.ParquetFile(path).read(["TraceId"]).to_pylist()[0]["TraceId"]
        for trace, groups in ((known, 0), ("f" * 32, 1)):
            before = await pruned(place.engine)
            [(count,)] = await place.engine.rows(
                f"SELECT count() FROM file('{path}', Parquet) WHERE TraceId = '{trace}'"
            )
            assert count == 1 - groups
            # Least and greatest of random ids say nothing.
            assert await pruned(place.engine) - before == groups
        assert there in place.rows()

    archived(body)


async def pruned(engine: Engine) -> int:
    found = await engine.rows(
        "SELECT value FROM system.events WHERE event = 'ParquetPrunedRowGroups'"
    )
    return int(found[0][0]) if found else 0


def test_a_quiet_day_that_is_over_is_one_file(archived: Kept) -> None:
    async def body(place: Place) -> None:
        for hour in range(0, 24, 5):
            await place.step(hour * 60 + 30)
        before = place.rows()
        place.later(60)
        await place.turn()
        assert len(place.files()) == 5
        place.later(9 * 60)
        await place.turn()
        [file] = place.files()
        assert place.rows() == before
        assert "/hour=00/" in file.path
        # What comes late is packed with the rest of its day when it is as much as a quarter of it.
        await place.step(12 * 60)
        place.clock.jump_wall(48 * 3600)
        await place.turn()
        assert sum(one.rows for one in place.files()) == len(before) + 6
        assert all(one.packed for one in place.files())

    archived(body)


def test_nothing_is_packed_beside_an_overload(
    archived: Kept,
) -> None:
    async def body(place: Place) -> None:
        await place.filled()
        place.later(60)
        place.busy = True
        await place.turn()
        assert len(place.files()) == 3
        place.busy = False
        await place.turn()
        assert len(place.files()) == 2

    archived(body)


POINTS = ["before it is written", "before its line", "after its line"]


@pytest.mark.parametrize("point", POINTS)
def test_a_crash_at_any_point_leaves_each_row_once(
    point: str, archived: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(place: Place) -> None:
        await place.filled()
        before = place.rows()
        place.later(11)
        with monkeypatch.context() as patch:
            cut_short(place, patch, point)
            with pytest.raises(Power):
                await place.turn()
        await place.open()
        assert place.on_disk() == place.archive.manifest.paths()
        assert place.rows() == before
        await place.turn()
        assert place.rows() == before
        assert len(place.files()) == 2

    archived(body)


def cut_short(place: Place, patch: pytest.MonkeyPatch, point: str) -> None:
    async def fail(*_: object) -> None:
        raise Power

    if point == "before it is written":
        patch.setattr(place.rewriter, "_write", fail)
    elif point == "before its line":
        patch.setattr(place.archive, "swap", fail)
    else:
        patch.setattr(place.archive, "found_whole", fail)


@pytest.mark.parametrize(
    "change",
    [("WHERE true", "WHERE rowNumberInAllBlocks() > 0"), (", Seq FROM", ", Seq + 1 AS Seq FROM")],
    ids=["fewer", "others"],
)
def test_rows_that_are_not_those_that_were_read_replace_nothing(
    change: tuple[str, str],
    archived: Kept,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def body(place: Place) -> None:
        await place.filled()
        before, names = place.rows(), place.on_disk()
        place.later(11)
        real = place.engine.rewrite

        async def wrong(sql: str, settings: str) -> None:
            await real(sql.replace(*change), settings)

        with monkeypatch.context() as patch:
            patch.setattr(place.engine, "rewrite", wrong)
            await place.turn()
        assert (place.rows(), place.on_disk()) == (before, names)
        assert "were not packed" in caplog.text
        assert place.metrics.get("tailrace_archive_upkeep_failures_total", "pack") == 2
        await place.turn()
        assert place.on_disk() == names, "left alone for a while"
        place.clock.advance(HELD_S)
        await place.turn()
        assert place.rows() == before
        assert len(place.files()) == 2

    archived(body)


def test_a_damaged_file_is_named_and_the_rest_is_packed(
    archived: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(place: Place) -> None:
        await place.filled(Signal.LOGS, Signal.SPANS)
        bad = place.files(Signal.LOGS)[1]
        path = place.folder / bad.path
        data = bytearray(path.read_bytes())
        data[len(data) // 3] ^= 1
        path.write_bytes(bytes(data))
        place.later(11)
        await place.turn()
        assert place.archive.damage.known == {bad.path: "its bytes are not those that were written"}
        assert place.metrics.get("tailrace_archive_damaged_files") == 0
        await place.turn()
        assert place.metrics.get("tailrace_archive_damaged_files") == 1
        assert [one.packed for one in place.files()].count(True) == 1
        assert bad in place.files()
        assert [one.packed for one in place.files(Signal.SPANS)] == [True, False]
        await place.open()
        assert bad.path in place.archive.damage.known

    archived(body)


def test_a_disk_without_room_is_left(archived: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(place: Place) -> None:
        await place.filled()
        names = place.on_disk()
        place.later(11)
        with monkeypatch.context() as patch:
            patch.setattr("shutil.disk_usage", lambda _: type("U", (), {"free": 1 << 20}))
            await place.turn()
        assert place.on_disk() == names

    archived(body)


def test_a_pack_that_would_take_more_memory_is_given_up(
    archived: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(place: Place) -> None:
        await place.filled()
        before, names = place.rows(), place.on_disk()
        said = f"max_memory_usage={limits.ARCHIVE_PACKING_BYTES}"
        assert said in rewriting._SETTINGS
        with monkeypatch.context() as patch:
            less = rewriting._SETTINGS.replace(
                said, "max_memory_usage=100000, max_untracked_memory=0"
            )
            patch.setattr(rewriting, "_SETTINGS", less)
            with pytest.raises(StoreError, match=r"[Mm]emory limit"):
                await place.rewriter.written(place.files()[:2])
        assert (place.rows(), place.on_disk()) == (before, names)

    archived(body)


def test_a_swap_of_what_does_not_count_is_refused(archived: Kept) -> None:
    async def body(place: Place) -> None:
        await place.filled()
        gone = msgspec.structs.replace(place.files()[0], path="tenant=shop/gone.parquet")
        with pytest.raises(StoreError, match="does not list"):
            await place.archive.swap("compacted", [gone], [])

    archived(body)


def test_a_rewriting_that_is_given_up_ends_in_the_engine(archived: Kept) -> None:
    async def body(place: Place) -> None:
        slow = "INSERT INTO FUNCTION null('n UInt64') SELECT sum(number) FROM numbers(100000000000)"
        running = asyncio.create_task(place.engine.rewrite(slow, "max_threads=1"))
        async with asyncio.timeout(20):
            while not await place.engine.rows(
                "SELECT 1 FROM system.processes WHERE query LIKE '%numbers(100000000000)%' "
                "AND query NOT LIKE '%processes%'"
            ):
                await asyncio.sleep(0.01)
            running.cancel()
            await asyncio.wait([running])
            await place.engine.rewrite(
                "INSERT INTO FUNCTION null('n UInt64') SELECT 1", "max_threads=1"
            )

    archived(body)
