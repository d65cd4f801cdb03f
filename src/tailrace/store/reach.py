"""How far a query reaches: what stands after FROM for a range of time, over hot table and archive.

Event times at or above the horizon are read from the hot table, older ones from the files that the
manifest lists, so each row is read once, also one that is still hot though it is older. Where
services are kept apart, each side has a condition for each horizon, and they are complements. Both
sides have the columns of the table, and `_part_offset`, the order of rows within a part or a file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tailrace.core import limits
from tailrace.core.errors import QueryError, StoreError
from tailrace.core.frame import Signal
from tailrace.store import schema, sql
from tailrace.store.archive import Archive
from tailrace.store.entries import ArchiveFile
from tailrace.store.horizon import Cut, Horizon
from tailrace.store.sides import Sides, rfc3339

_COLUMNS: Mapping[Signal, Sequence[str]] = {
    Signal.LOGS: schema.LOGS_COLUMNS,
    Signal.SPANS: schema.SPANS_COLUMNS,
    Signal.METRICS: schema.SAMPLES_COLUMNS,
}


@dataclass(frozen=True)
class Reached:
    """`table` stands after FROM; `remarks` are told beside the answer. What it is made of:
    `archived`, a SELECT of the archive's rows, "" where there are none of them, and the hot rows
    from `hot_ns` on (UTC nanoseconds), None where there are none of those; where `hot_where` is
    not "", only those for which it holds. `table` holds nothing that a query says. `part`: see
    `within`."""

    table: str
    remarks: tuple[str, ...] = ()
    archived: str = ""
    hot_ns: int | None = 0
    hot_where: str = ""
    part: Callable[[int, int], Reached] | None = None

    def within(self, start_ns: int, end_ns: int) -> Reached:
        """Of a part of the time: of the archive only its files are opened."""
        return self.part(start_ns, end_ns) if self.part else self

    @property
    def hot_only(self) -> bool:
        return not self.archived and self.hot_ns == 0


class Reach:
    """Over the open `archive` and `horizon`. Used from one event loop."""

    def __init__(self, archive: Archive, horizon: Horizon) -> None:
        self._archive = archive
        self._horizon = horizon

    async def of(
        self,
        signal: Signal,
        tenant: str,
        start_ns: int,
        end_ns: int,
        exact: bool = False,
        service: str = "",
    ) -> Reached:
        """For the tenant's rows at event times from `start_ns` to `end_ns`, or those of one service
        of it; `exact`: all of them from the archive. Raises QueryError when there are more files,
        or larger ones, than one query may read, and StoreError when some of them are gone."""
        cut = self._horizon.cut(signal, tenant)
        cut = Cut(cut.of(service)) if service else cut
        if not exact and (start_ns >= cut.last_ns or not cut.last_ns):
            return Reached(schema.HOT_TABLES[signal])
        last_ns = end_ns if exact else min(end_ns, cut.last_ns - 1)
        files = self._archive.listing.between(signal, tenant, start_ns, last_ns)
        _check(files)
        await asyncio.to_thread(_present, self._archive, files)
        return self._reached(signal, files, cut, exact, start_ns, end_ns)

    def _reached(
        self,
        signal: Signal,
        files: Sequence[ArchiveFile],
        cut: Cut,
        exact: bool,
        start_ns: int,
        end_ns: int,
    ) -> Reached:
        if not exact and start_ns >= cut.last_ns:
            return Reached(schema.HOT_TABLES[signal])
        files = [file for file in files if file.first_ns <= end_ns and file.last_ns >= start_ns]
        part = partial(self._reached, signal, files, cut, exact)
        archived = self._archived(signal, files)
        count = f"{len(files)} {'file' if len(files) == 1 else 'files'}"
        if exact:
            return Reached(f"({archived})", (self._exactly(count),), archived, None, part=part)
        sides = Sides(cut, start_ns, end_ns)
        older = f"{archived} WHERE {sides.archived}" if files else ""
        parts = [older] if older else []
        hot_ns = sides.hot_ns if sides.hot or not older else None
        if hot_ns is not None:
            parts.insert(0, f"{_hot(signal)} WHERE {sides.hot or 'false'}")
        remark = f"answered from the archive before {sides.told} ({count})"
        table = f"({' UNION ALL '.join(parts)})"
        return Reached(table, (remark,), older, hot_ns, sides.hot_by_service, part)

    def _archived(self, signal: Signal, files: Sequence[ArchiveFile]) -> str:
        if not files:
            return f"{_hot(signal)} WHERE false"
        paths = ",".join(file.path for file in files)
        path = f"{self._archive.directory}/{{{paths}}}"
        columns = ", ".join(column.split(" CODEC", 1)[0] for column in _COLUMNS[signal])
        return (
            f"SELECT {_names(signal)}, CAST(_row_number, 'UInt64') AS _part_offset "
            f"FROM file({sql.text(path)}, Parquet, {sql.text(columns)})"
        )

    def _exactly(self, count: str) -> str:
        until_ns = self._archive.received_ns
        held = f", which holds what came in until {rfc3339(until_ns)}" if until_ns else ""
        return f"exact: from the archive{held} ({count})"


def _check(files: Sequence[ArchiveFile]) -> None:
    size = sum(file.bytes for file in files)
    if len(files) > limits.ARCHIVE_QUERY_FILES or size > limits.ARCHIVE_QUERY_BYTES:
        raise QueryError(
            f"the query would read {len(files):,} files of the archive with "
            f"{size / limits.GIB:,.1f} GiB, more than {limits.ARCHIVE_QUERY_FILES:,} "
            f"(ARCHIVE_QUERY_FILES) or {limits.ARCHIVE_QUERY_BYTES / limits.GIB:g} GiB "
            "(ARCHIVE_QUERY_BYTES); narrow the time range"
        )


def _present(archive: Archive, files: Sequence[ArchiveFile]) -> None:
    """The engine would leave out those that are gone, without a word."""
    damaged = archive.damage.known
    missing = [
        file.path
        for file in files
        if file.path in damaged or not _whole(archive.directory / file.path, file.bytes)
    ]
    if missing:
        raise StoreError(
            f"{len(missing)} of {len(files)} files that the archive's manifest lists are gone or "
            f"changed, the first is {missing[0]}; restore them, or ask for a time without them"
        )


def _whole(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def _hot(signal: Signal) -> str:
    return f"SELECT {_names(signal)}, _part_offset FROM {schema.HOT_TABLES[signal]}"


def _names(signal: Signal) -> str:
    return ", ".join(column.split(" ", 1)[0] for column in _COLUMNS[signal])
