"""Which files of the archive are to be made one, and when: a plan, from what the manifest says.

A step leaves a file for each tenant, signal and hour of its rows, so an hour ends with sixty. When
an hour is over and quiet, the files of its steps are packed into one, or into several where there
is so much. When the day is over and quiet, what is still small is packed with its neighbours of
the same day: a quiet tenant ends with one file a day, and late rows find company.

How often a row is written anew is bounded. A file of ARCHIVE_FILE_BYTES is left alone, and a
smaller one that was packed is packed again only with a quarter as much of others, or with _MANY of
them. So each time a row is written again it is in a file a quarter larger, or one of few.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from tailrace.core import limits
from tailrace.store.entries import DAY_NS, HOUR_NS, ArchiveFile

# How long after its end, and after the last of its steps, an hour or a day is packed.
HOUR_QUIET_NS = HOUR_NS // 4
DAY_QUIET_NS = 6 * HOUR_NS
# Packed at a better level, what is read makes a smaller file: so much is read for one of the size.
_ENOUGH_BYTES = limits.ARCHIVE_FILE_BYTES * 3 // 2
_MANY = 8


def next_pack(files: Sequence[ArchiveFile], now_ns: int) -> list[ArchiveFile]:
    """Of the files of one signal, tenant and day those to be made one next; none: all is well."""
    small = sorted(filter(_is_small, files), key=lambda file: (file.first_ns, file.path))
    if not small:
        return []
    if _quiet(small, (small[0].day + 1) * DAY_NS, DAY_QUIET_NS, now_ns):
        return next(_of_day(small), [])
    return next(_of_hours([file for file in small if not file.packed], now_ns), [])


def _is_small(file: ArchiveFile) -> bool:
    return not file.packed or file.bytes < limits.ARCHIVE_FILE_BYTES


def _quiet(files: Sequence[ArchiveFile], end_ns: int, quiet_ns: int, now_ns: int) -> bool:
    written_ns = max((file.written_ns for file in files if not file.packed), default=0)
    return now_ns >= max(end_ns, written_ns) + quiet_ns


def _of_hours(files: Sequence[ArchiveFile], now_ns: int) -> Iterator[list[ArchiveFile]]:
    for hour, found in groupby(files, lambda file: file.first_ns // HOUR_NS):
        of_hour = list(found)
        if _quiet(of_hour, (hour + 1) * HOUR_NS, HOUR_QUIET_NS, now_ns):
            yield next(_runs(of_hour))


def _of_day(files: Sequence[ArchiveFile]) -> Iterator[list[ArchiveFile]]:
    for run in _runs(files):
        if _worth_it(run):
            yield run
    # Of one that is not, late rows that are few are packed by themselves.
    if fresh := [file for file in files if not file.packed]:
        yield next(_runs(fresh))


def _runs(files: Sequence[ArchiveFile]) -> Iterator[list[ArchiveFile]]:
    """Neighbours that make a file of the size, and what is left at the end."""
    run: list[ArchiveFile] = []
    size = 0
    for file in files:
        run.append(file)
        size += file.bytes
        if size >= _ENOUGH_BYTES or len(run) == limits.ARCHIVE_PACKED_FILES:
            yield run
            run, size = [], 0
    if run:
        yield run


def _worth_it(run: Sequence[ArchiveFile]) -> bool:
    packed = [file.bytes for file in run if file.packed]
    if len(run) == 1 or not packed:
        return not packed
    size = sum(file.bytes for file in run)
    return size >= _ENOUGH_BYTES or len(run) >= _MANY or size - max(packed) >= max(packed) / 4
