"""Rows leave the archive when their time is over: by day of the event, a tenant and a service.

A file of which all rows are to go is deleted. One of which some are, since a service has a time of
its own, is written anew without them. Each goes as others do when files are packed: by a line of
the manifest, and in an hour from the disk. What goes is in the record of deletions before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tailrace.core import log
from tailrace.core.clock import Clock
from tailrace.core.deletion import Deletion, Deletions, Place, Reason
from tailrace.core.errors import StoreError
from tailrace.core.frame import Signal
from tailrace.core.metrics import Metrics
from tailrace.store import sql
from tailrace.store.archive import Archive
from tailrace.store.engine import Engine
from tailrace.store.entries import ArchiveFile
from tailrace.store.retention import Retention
from tailrace.store.rewriting import Rewriter

_log = log.get("archive")
# Days end once a day; what came late is looked at within the hour.
EVERY_S = 3_600.0
# Of a turn that writes files anew.
TURN_S = 60.0


class _Part(NamedTuple):
    """Rows of a file that are alike: of a named service, or of all others (None)."""

    service: str | None
    rows: int


class Expiring:
    """A Part of the upkeep of an open archive. Files are written anew only while not `busy`."""

    def __init__(
        self,
        archive: Archive,
        engine: Engine,
        rewriter: Rewriter,
        retention: Retention,
        deletions: Deletions,
        busy: Callable[[], bool],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._archive = archive
        self._engine = engine
        self._rewriter = rewriter
        self._retention = retention
        self._deletions = deletions
        self._busy = busy
        self._clock = clock
        self._metrics = metrics
        self._due_s = clock.monotonic_s()
        # Services whose time was over when a file was looked at, by its path.
        self._seen: dict[str, frozenset[str | None]] = {}

    async def turn(self) -> bool:
        """Let go what is due: whether more is. Raises StoreError."""
        now_s = self._clock.monotonic_s()
        if now_s < self._due_s:
            return False
        for files in await asyncio.to_thread(lambda: list(self._archive.listing.days())):
            await self._day(files)
            if self._clock.monotonic_s() >= now_s + TURN_S:
                return True
        self._seen = {
            path: of for path, of in self._seen.items() if self._archive.listing.get(path)
        }
        self._due_s = now_s + EVERY_S
        return False

    async def _day(self, files: Sequence[ArchiveFile]) -> None:
        one = files[0]
        now_ns = self._clock.wall_ns()
        names: list[str | None] = [None, *self._retention.named(one.tenant, one.signal)]
        over = frozenset(
            name for name in names if self._retention.over(one.tenant, name, one.day, now_ns)
        )
        if len(over) == len(names):
            await self._expire(files)
        elif over:
            for file in files:
                if self._seen.get(file.path) != over and not self._busy():
                    await self._some(file, names[1:], over)

    async def _expire(self, files: Sequence[ArchiveFile]) -> None:
        await self._deletions.note([_deletion(file, None, file.rows, file.bytes) for file in files])
        await self._archive.swap("expired", files, [])
        self._count(files[0], sum(file.rows for file in files))

    async def _some(
        self, file: ArchiveFile, names: Sequence[str | None], over: frozenset[str | None]
    ) -> None:
        parts = await self._parts(file, names)
        gone = [part for part in parts if part.service in over]
        rows = sum(part.rows for part in gone)
        if rows == file.rows:
            await self._expire([file])
        elif rows:
            await self._rewrite(file, names, over, gone)
        else:
            self._seen[file.path] = over

    async def _parts(self, file: ArchiveFile, names: Sequence[str | None]) -> list[_Part]:
        """How many rows of each, those of others last."""
        path = sql.text(str(self._archive.directory / file.path))
        found = await self._engine.rows(
            f"SELECT ServiceName, count() FROM file({path}, Parquet, 'ServiceName String') "
            f"WHERE ServiceName IN ({_listed(names)}) GROUP BY ServiceName ORDER BY ServiceName"
        )
        parts = [_Part(str(service), int(rows)) for service, rows in found]
        return [*parts, _Part(None, file.rows - sum(part.rows for part in parts))]

    async def _rewrite(
        self,
        file: ArchiveFile,
        names: Sequence[str | None],
        over: frozenset[str | None],
        gone: Sequence[_Part],
    ) -> None:
        if damaged := await self._rewriter.damaged([file]):
            await self._archive.found_damaged(file.path, damaged[file.path])
            return
        where = f"ServiceName NOT IN ({_listed([name for name in names if name in over])})"
        if None in over:
            where = f"ServiceName IN ({_listed([name for name in names if name not in over])})"
        left = await self._rewriter.written([file], where)
        rows = sum(part.rows for part in gone)
        if left.rows + rows != file.rows:
            raise StoreError(f"{file.path}: {left.rows} rows were left of {file.rows} less {rows}")
        await self._deletions.note(
            [_deletion(file, part.service or "", part.rows, 0) for part in gone if part.rows]
        )
        await self._archive.swap("expired", [file], [left])
        self._seen[left.path] = over
        self._count(file, rows)

    def _count(self, file: ArchiveFile, rows: int) -> None:
        self._metrics.add("tailrace_archive_expired_rows_total", rows)
        _log.info("archived rows expired", extra={"file": file.path, "rows": rows})


def _deletion(file: ArchiveFile, service: str | None, rows: int, size: int) -> Deletion:
    """`service`: None for all of a file, "" for those that are not named."""
    part = "" if service is None else f":{service}"
    subject = file.path if service is None else f"rows of a service in {file.path}"
    signal = Signal(file.signal).value
    return Deletion(
        f"archive:{file.path}{part}", file.tenant, Place.ARCHIVE, Reason.EXPIRED, subject, rows,
        size, signal, service or "", file.first_ns, file.last_ns,
    )  # fmt: skip


def _listed(names: Sequence[str | None]) -> str:
    return ", ".join(sql.text(name) for name in names if name is not None)
