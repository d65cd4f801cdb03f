"""Room on disks: which marks are passed, what has to wait, when a disk is full."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core import limits
from tailrace.core.clock import ManualClock
from tailrace.core.metrics import Metrics
from tailrace.governance.space import watch as watching
from tailrace.governance.space.marks import Disk, Level, Marks, fill, free_at, next_level, share
from tailrace.governance.space.trend import LONGEST_S, Trend
from tailrace.governance.space.usage import Usage
from tailrace.governance.space.watch import Place, Watch, measured

GIB, MIB, TIB = limits.GIB, limits.MIB, 1024 * limits.GIB
MARKS = Marks()
DAY_S = 86_400.0
LEVELS = [level for level in Level if level]

shares = st.lists(st.floats(0, 1), min_size=4, max_size=4).map(sorted)
marks = shares.map(lambda found: Marks(*found))


@given(marks, st.lists(st.floats(0, 1), min_size=1, max_size=80))
def test_each_mark_counts_from_its_start_and_ends_only_with_relief(
    marks: Marks, course: list[float]
) -> None:
    level = Level.ENOUGH
    for full in course:
        before, level = level, next_level(level, full, marks)
        for one in LEVELS:
            if not marks.is_on(one):
                continue
            if full >= marks.of(one):
                assert level >= one
            elif full + limits.SPACE_RELIEF < marks.of(one):
                assert level < one
            else:  # between the two nothing begins and nothing ends
                assert (level >= one) == (before >= one)


@given(marks, st.lists(st.floats(0, 1), min_size=1, max_size=80))
def test_bulk_waits_before_all_else_and_nothing_waits_below_its_mark(
    marks: Marks, course: list[float]
) -> None:
    level = Level.ENOUGH
    for full in course:
        level = next_level(level, full, marks)
        bulk, hot = share(level, full, marks, late=True), share(level, full, marks, late=False)
        assert 0 <= hot <= 1
        assert hot == 0 or bulk == 1
        assert (bulk > 0) == (level >= Level.BULK_SLOW)
        assert (hot > 0) == (level >= Level.HOT_SLOW)
        assert bulk == 1 or level < Level.BULK_STOP
        assert hot == 1 or level < Level.HOT_STOP
        assert level is Level.ENOUGH or marks.is_on(level)


def test_the_nearer_the_next_mark_the_more_has_to_wait() -> None:
    found = [share(Level.BULK_SLOW, full, MARKS, late=True) for full in (0.84, 0.86, 0.875, 0.899)]
    assert found == pytest.approx([0.05, 0.2, 0.5, 0.98])


@given(
    st.integers(1, 1 << 50),
    st.floats(0, 1),
    st.integers(0, 10 * GIB),
    marks,
)
def test_fewer_free_bytes_never_pass_fewer_marks(
    size: int, free: float, reserve: int, marks: Marks
) -> None:
    disk = Disk(size, int(size * free))
    fuller = Disk(size, disk.free_bytes // 2)
    assert 0 <= fill(disk, reserve, marks) <= fill(fuller, reserve, marks) <= 1
    if disk.free_bytes <= reserve:
        assert fill(disk, reserve, marks) == 1
    free_bytes = [free_at(level, disk, reserve, marks) for level in LEVELS]
    assert free_bytes == sorted(free_bytes, reverse=True)
    assert all(
        one >= reserve for one, level in zip(free_bytes, LEVELS, strict=True) if marks.is_on(level)
    )


@pytest.mark.parametrize(
    ("size", "reserve", "free"),
    [
        (10 * TIB, 512 * MIB, [15.5, 10.5, 8.5, 5.5]),  # what a large disk has is not wasted
        (20 * GIB, 512 * MIB, [3.43, 2.45, 2.06, 1.47]),
        (1 * GIB, 512 * MIB, [0.575, 0.55, 0.54, 0.525]),  # all of them above the reserve
    ],
)
def test_marks_in_free_bytes(size: int, reserve: int, free: list[float]) -> None:
    found = [free_at(level, Disk(size, size), reserve, MARKS) / GIB for level in LEVELS]
    assert found == pytest.approx(free, abs=0.01)


# The trend.


def filled(used: Callable[[float], float], hours: float, every_s: float = 60.0) -> Trend:
    """A disk of which so much is used, by seconds."""
    trend = Trend()
    for step in range(int(hours * 3600 / every_s)):
        trend.add(step * every_s, int(used(step * every_s)))
    return trend


def test_too_little_history_says_nothing() -> None:
    growth = filled(lambda s: s * MIB, 0.9).growth()
    assert growth.seconds(GIB) is None
    assert growth.bytes_per_day is None
    assert Trend().growth().seconds(GIB) is None


def test_growth_of_some_hours_is_told_through_merges_that_take_space_for_minutes() -> None:
    def used(s: float) -> float:
        return 10 * GIB + s * MIB + (8 * GIB if s % 1800 < 420 else 0)

    growth = filled(used, 5).growth()
    assert growth.seconds(3600 * MIB) == pytest.approx(3600, rel=0.03)
    assert growth.bytes_per_day == pytest.approx(DAY_S * MIB, rel=0.03)


def test_what_goes_each_night_is_no_growth_over_a_week() -> None:
    growth = filled(lambda s: 50 * GIB + (s % DAY_S) * MIB, 7 * 24, every_s=600).growth()
    assert growth.bytes_per_day == 0
    # Within the day it grows, and would be full before the night if there were less than that.
    assert growth.seconds(3600 * MIB) == pytest.approx(3600, rel=0.03)


def test_a_new_rate_is_told_within_hours() -> None:
    def used(s: float) -> float:
        slow_s = 5 * DAY_S
        return min(s, slow_s) * 1000 + max(0, s - slow_s) * MIB

    growth = filled(used, 5 * 24 + 5, every_s=600).growth()
    assert growth.seconds(7200 * MIB) == pytest.approx(7200, rel=0.1)


def test_what_shrinks_or_stays_is_never_full() -> None:
    for used in (lambda s: 10 * GIB - s * 1000, lambda s: 10 * GIB):
        assert filled(used, 3).growth().seconds(GIB) == LONGEST_S
    assert filled(lambda s: 10 * GIB, 3).growth().seconds(0) == 0


@given(st.lists(st.tuples(st.floats(0, 1e7), st.integers(0, 1 << 50)), max_size=60))
def test_points_are_in_order_and_bounded_however_the_clock_goes(
    course: list[tuple[float, int]],
) -> None:
    trend = Trend()
    for at_s, used in course:
        trend.add(at_s, used)
        times = [point.at_s for point in trend.points]
        assert times == sorted(set(times))
        assert times[-1] <= at_s
        assert len(times) <= 7 * 24 * 6 + 1
    trend.growth()


# The watch.


class Disks:
    """File systems by the name of their directory: free bytes of 100 GiB."""

    def __init__(self, home: Path, **free: int) -> None:
        self.home = home
        self.free = dict(free)
        self.devices = {name: number for number, name in enumerate(free)}
        self.broken: set[str] = set()
        for name in free:
            (home / name).mkdir()

    def measure(self, path: Path) -> Disk:
        if path.name in self.broken:
            raise OSError(5, "Input/output error")
        return Disk(100 * GIB, self.free[path.name])

    def device(self, path: Path) -> int:
        return self.devices[path.name]


class Bench:
    """A watch over `disks`, looked at when a test says so."""

    def __init__(self, disks: Disks, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(watching, "LOOK_S", 0.0)
        self.disks, self.clock, self.metrics = disks, ManualClock(), Metrics()
        home = disks.home
        places = (
            Place("data", home / "data", Level.HOT_STOP),
            Place("archive", home / "archive", Level.BULK_STOP),
            Place("spool", home / "spool"),
        )
        self.watch = Watch(
            places, MARKS, home / "space.json", self.clock, self.metrics, disks.measure,
            disks.device,
        )  # fmt: skip

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20.0):
            while not holds():
                await asyncio.sleep(0.001)

    def seen(self) -> bool:
        """Whether what is free of `data` now was looked at."""
        found = self.metrics.get("tailrace_space_free_bytes", "data")
        return found == self.disks.free["data"]

    def level(self, name: str) -> float:
        return self.metrics.get("tailrace_space_level", name)

    @property
    def refused(self) -> tuple[float, float]:
        return self.watch.refused(late=True), self.watch.refused(late=False)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    disks = Disks(tmp_path, data=50 * GIB, archive=50 * GIB, spool=50 * GIB)
    yield Bench(disks, monkeypatch)


def test_a_disk_fills_and_has_room_again(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    course = [
        (12, 1, (0.6, 0.0), "the disk of data fills: bulk is slowed"),
        (9, 2, (1.0, 0.0), "the disk of data fills: bulk has to wait"),
        (6.5, 3, (1.0, 0.5), "the disk of data fills: bulk has to wait, all else is slowed"),
        (4, 4, (1.0, 1.0), "the disk of data fills: all has to wait"),
        (6, 4, (1.0, 1.0), "the disk of data fills: all has to wait"),  # too little more
        (11, 2, (1.0, 0.0), "the disk of data fills: bulk has to wait"),
        (40, 0, (0.0, 0.0), ""),
    ]

    async def main() -> None:
        await bench.watch.open()
        assert (bench.refused, bench.watch.said()) == ((0, 0), "")
        running = asyncio.create_task(bench.watch.run())
        for free_gib, level, refused, said in course:
            bench.disks.free["data"] = int(free_gib * GIB)
            await bench.until(bench.seen)
            assert bench.level("data") == level
            assert bench.refused == pytest.approx(refused)
            assert bench.watch.said() == said
        running.cancel()

    with caplog.at_level("INFO"):
        asyncio.run(main())
    said = [record.message for record in caplog.records if "disk" in record.message]
    assert said == ["a disk fills"] * 4 + ["a disk has more room", "a disk has room again"]


def test_a_full_archive_holds_up_bulk_and_a_full_spool_nothing(bench: Bench) -> None:
    bench.disks.free.update(archive=0, spool=0)
    asyncio.run(bench.watch.open())
    assert (bench.level("archive"), bench.level("spool")) == (4, 4)
    assert bench.refused == (1.0, 0.0)
    assert bench.watch.said() == "the disk of archive fills: bulk has to wait"
    assert bench.metrics.get("tailrace_space_full_seconds", "archive") == LONGEST_S


def test_directories_on_one_disk_are_looked_at_once(bench: Bench) -> None:
    bench.disks.devices["archive"] = bench.disks.devices["data"]
    bench.disks.free["archive"] = 0
    asyncio.run(bench.watch.open())
    assert [one.place.name for one in bench.watch.watched] == ["data", "spool"]
    assert bench.refused == (0, 0)


def test_a_disk_that_cannot_be_seen_keeps_its_level_and_holds_up_no_other(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        bench.disks.free["archive"] = 9 * GIB
        await bench.watch.open()
        running = asyncio.create_task(bench.watch.run())
        bench.disks.broken.add("archive")
        await bench.until(lambda: "how full a disk is cannot be seen" in caplog.messages)
        bench.disks.free["data"] = 4 * GIB
        await bench.until(lambda: bench.level("data") == 4)
        assert bench.level("archive") == 2
        bench.disks.broken.clear()
        bench.disks.free["archive"] = 50 * GIB
        await bench.until(lambda: bench.level("archive") == 0)
        running.cancel()

    asyncio.run(main())
    assert caplog.messages.count("how full a disk is cannot be seen") == 1


def test_one_that_cannot_be_seen_at_the_start_is_left_out(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.disks.broken.add("archive")
    asyncio.run(bench.watch.open())
    assert [one.place.name for one in bench.watch.watched] == ["data", "spool"]
    assert "a disk is not watched: it cannot be seen" in caplog.messages


def test_when_it_is_full_is_known_over_a_restart(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fills(bench: Bench, minutes: int) -> None:
        await bench.watch.open()
        running = asyncio.create_task(bench.watch.run())
        for _ in range(minutes // 10):
            bench.clock.advance(600)
            bench.disks.free["data"] -= 600 * MIB
            await bench.until(bench.seen)
            await bench.until(lambda: (tmp_path / "space.json").exists())
        running.cancel()

    async def main() -> float:
        await fills(bench, 50)
        assert bench.watch.watched[0].full_s is None
        again = Bench(bench.disks, monkeypatch)
        again.clock = bench.clock
        again.watch._clock = bench.clock
        await fills(again, 20)
        found = again.metrics.get("tailrace_space_full_seconds", "data")
        assert found == again.watch.watched[0].full_s
        room = bench.disks.free["data"] - free_at(Level.HOT_STOP, Disk(100 * GIB, 0), 0, MARKS)
        assert found == pytest.approx(room / MIB, rel=0.02)
        return found

    async def open_other() -> None:
        bench.disks.measure = lambda path: Disk(99 * GIB, 50 * GIB)  # type: ignore[method-assign]
        other = Bench(bench.disks, monkeypatch)
        await other.watch.open()
        assert len(other.watch.watched[0].trend.points) == 1

    assert asyncio.run(main()) < LONGEST_S
    asyncio.run(open_other())


def test_a_history_that_cannot_be_read_is_begun_anew(
    bench: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "space.json").write_bytes(b'{"data": {"size":')
    asyncio.run(bench.watch.open())
    assert "how fast the disk filled is not known" in caplog.messages
    assert bench.watch.watched[0].full_s is None


def test_a_real_disk_is_measured_as_df_does(tmp_path: Path) -> None:
    disk = measured(tmp_path)
    assert 0 < disk.free_bytes < disk.size_bytes
    assert disk.used_bytes == disk.size_bytes - disk.free_bytes


# Who uses it.


async def tables() -> Mapping[str, int]:
    return {"logs": 5 * MIB, "samples": 1}


def listed(usage: Usage) -> dict[tuple[str, str], int]:
    found = asyncio.run(usage.listed())
    assert [used.bytes for used in found] == sorted((u.bytes for u in found), reverse=True)
    return {(used.what, used.table): used.bytes for used in found}


def test_who_uses_the_space_is_told_once_for_each(tmp_path: Path) -> None:
    queue, clock = tmp_path / "queue", ManualClock()
    (queue / "dead").mkdir(parents=True)
    (queue / "1.seg").write_bytes(random.Random(1).randbytes(2 * MIB))
    (queue / "dead" / "1.seg").write_bytes(random.Random(2).randbytes(MIB))
    folders = {"queue": queue, "dead letters": queue / "dead", "spool": tmp_path / "none"}
    usage = Usage(folders, tables, clock)
    found = listed(usage)
    assert found[("queue", "")] == pytest.approx(2 * MIB, rel=0.05)
    assert found[("dead letters", "")] == pytest.approx(MIB, rel=0.05)
    assert found[("spool", "")] == 0
    assert found[("hot", "logs")] == 5 * MIB
    (queue / "1.seg").unlink()
    assert listed(usage) == found  # counted a moment ago
    clock.advance(11)
    assert listed(usage)[("queue", "")] < MIB


def test_no_more_files_are_counted_than_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SPACE_FILES", 5)
    for number in range(9):
        (tmp_path / str(number)).touch()
    usage = Usage({"archive": tmp_path}, tables, ManualClock())
    (archive,) = [used for used in asyncio.run(usage.listed()) if used.what == "archive"]
    assert not archive.complete
