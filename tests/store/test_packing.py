"""Which files are made one: within bounds, to an end, and each row not too often."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.core import limits
from tailrace.core.limits import MIB
from tailrace.store.entries import DAY_NS, HOUR_NS, ArchiveFile
from tailrace.store.packing import DAY_QUIET_NS, HOUR_QUIET_NS, next_pack

DAY = 20_000
START = DAY * DAY_NS
MINUTE_NS = HOUR_NS // 60


def file(
    minute: int, size: int = MIB, minutes: int = 1, packed: bool = False, late_ns: int = 0
) -> ArchiveFile:
    """Of a minute of the day, written when it was over."""
    first_ns = START + minute * MINUTE_NS
    last_ns = first_ns + minutes * MINUTE_NS - 1
    written_ns = last_ns + late_ns
    return ArchiveFile(
        f"tenant=a/{minute}-{size}-{packed}-{late_ns}.parquet", "a", size, size, first_ns, last_ns,
        written_ns=written_ns, packed=packed,
    )  # fmt: skip


def packed(run: Sequence[ArchiveFile], now_ns: int) -> ArchiveFile:
    """What is made of them, a twentieth smaller where they were not packed."""
    size = sum(one.bytes if one.packed else one.bytes * 19 // 20 for one in run)
    return ArchiveFile(
        f"tenant=a/packed-{now_ns}-{run[0].path.rpartition('/')[2]}", "a",
        sum(one.rows for one in run), size,
        min(one.first_ns for one in run), max(one.last_ns for one in run),
        written_ns=now_ns, packed=True,
    )  # fmt: skip


def settled(files: list[ArchiveFile], now_ns: int) -> tuple[list[ArchiveFile], int]:
    """All packing that is due, and the bytes that were read for it."""
    read = 0
    for _ in range(1_000):
        run = next_pack(files, now_ns)
        if not run:
            return files, read
        assert len(run) <= limits.ARCHIVE_PACKED_FILES
        assert len({one.path for one in run}) == len(run)
        assert all(one in files for one in run)
        assert not (len(run) == 1 and run[0].packed), "for nothing"
        read += sum(one.bytes for one in run)
        gone = {one.path for one in run}
        files = [one for one in files if one.path not in gone] + [packed(run, now_ns)]
    raise AssertionError("packing does not end")


def test_an_hour_is_packed_when_it_is_over_and_quiet() -> None:
    minutes = [file(minute) for minute in range(60)]
    quiet_ns = START + HOUR_NS + HOUR_QUIET_NS
    assert next_pack(minutes, quiet_ns - 2) == []
    assert next_pack(minutes, quiet_ns) == minutes
    late = [*minutes, file(30, late_ns=HOUR_NS)]
    assert next_pack(late, quiet_ns) == []
    assert set(one.path for one in next_pack(late, quiet_ns + HOUR_NS)) == {f.path for f in late}


def test_the_hour_that_is_still_written_does_not_hold_up_the_one_before() -> None:
    files = [file(minute) for minute in range(100)]
    assert next_pack(files, START + 100 * MINUTE_NS) == files[:60]
    found, _ = settled(files, START + 100 * MINUTE_NS)
    assert len(found) == 41


def test_a_busy_hour_makes_several_files_of_the_size() -> None:
    files = [file(minute, 40 * MIB) for minute in range(60)]
    found, _ = settled(files, START + 2 * HOUR_NS)
    assert len(found) == 12
    assert all(one.bytes >= limits.ARCHIVE_FILE_BYTES for one in found)


def test_the_small_hours_of_a_day_are_packed_when_it_is_over_and_quiet() -> None:
    files = [file(minute, 60_000) for minute in range(24 * 60)]
    found, _ = settled(files, START + DAY_NS + DAY_QUIET_NS - 2)
    assert len(found) == 24
    found, _ = settled(found, START + DAY_NS + DAY_QUIET_NS)
    assert len(found) == 1


def test_hours_of_some_size_are_packed_to_files_of_the_size() -> None:
    files = [file(hour * 60, 70 * MIB, 60, packed=True) for hour in range(24)]
    found, read = settled(files, START + 2 * DAY_NS)
    assert len(found) == 8
    assert all(one.bytes >= limits.ARCHIVE_FILE_BYTES for one in found)
    assert read == 24 * 70 * MIB


def test_no_more_files_than_may_be_are_packed_at_once() -> None:
    files = [file(minute, 2_000 + n) for minute in range(60) for n in range(5)]
    assert len(next_pack(files, START + 2 * HOUR_NS)) == limits.ARCHIVE_PACKED_FILES == 256
    found, _ = settled(files, START + 2 * DAY_NS)
    assert len(found) == 1


def test_files_of_the_size_are_left_alone() -> None:
    files = [file(0, limits.ARCHIVE_FILE_BYTES, 60, packed=True), file(60, 9_999, 60, packed=True)]
    assert next_pack(files, START + 9 * DAY_NS) == []


def test_a_few_late_rows_do_not_have_a_large_file_written_anew() -> None:
    large = file(0, 100 * MIB, 24 * 60, packed=True)
    late = file(700, 10_000, late_ns=2 * DAY_NS)
    now_ns = START + 4 * DAY_NS
    assert next_pack([large, late], now_ns) == [late]
    found, _ = settled([large, late], now_ns)
    assert len(found) == 2


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 24 * 60 - 1),
            st.sampled_from([5_000, 400_000, MIB, 30 * MIB, 90 * MIB, 150 * MIB]),
            st.integers(1, 12),
        ),
        min_size=1,
        max_size=120,
    )
)
def test_packing_ends_with_few_files_and_reads_each_byte_few_times(
    said: list[tuple[int, int, int]],
) -> None:
    """Files come over days, in any order; each half day all that is due is done."""
    files: list[ArchiveFile] = []
    total = read = 0
    for half in range(1, 14):
        now_ns = START + DAY_NS + half * DAY_NS // 2
        for number, (minute, size, late) in enumerate(said):
            if late == half:
                one = file(minute, size, late_ns=0)
                files.append(
                    ArchiveFile(
                        f"tenant=a/{number}.parquet", "a", size, size, one.first_ns, one.last_ns,
                        written_ns=now_ns - DAY_QUIET_NS,
                    )
                )  # fmt: skip
                total += size
        files, more = settled(files, now_ns)
        read += more
        assert all(one.packed for one in files)
        small = [one for one in files if one.bytes < limits.ARCHIVE_FILE_BYTES]
        assert len(small) < 24
    assert sum(one.rows for one in files) == total
    assert read <= 8 * total
