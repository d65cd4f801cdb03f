"""A sample of what is stored, read back as it is: hot tables and files of the archive."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from tailrace.core import limits
from tailrace.core.contracts import StoredRow
from tailrace.store import sql
from tailrace.store.archive import Archive
from tailrace.store.engine import Engine
from tailrace.store.entries import ArchiveFile


class _Kind(NamedTuple):
    """A table, its folder in the archive, and the columns that hold what senders said: name and
    type, or expression and type where the type cannot be written as JSON."""

    table: str
    folder: str
    columns: Sequence[tuple[str, str]]
    service: str = "ServiceName"


_MAP = "Map(String, String)"
_KINDS = (
    _Kind(
        "logs",
        "tenant=",
        (
            ("ServiceName", "String"),
            ("HostName", "String"),
            ("SeverityText", "String"),
            ("Body", "String"),
            ("LogAttributes", _MAP),
            ("ResourceAttributes", _MAP),
            ("Source", "String"),
        ),
    ),
    _Kind(
        "spans",
        "spans/",
        (
            ("ServiceName", "String"),
            ("SpanName", "String"),
            ("StatusMessage", "String"),
            ("TraceState", "String"),
            ("SpanAttributes", _MAP),
            ("ResourceAttributes", _MAP),
            ("Events.Name", "Array(String)"),
            ("Events.Attributes", f"Array({_MAP})"),
            ("Links.Attributes", f"Array({_MAP})"),
        ),
    ),
    _Kind("series", "metrics/", (("MetricName", "String"), ("Labels", _MAP)), "''"),
)


class StoredRows:
    """A Stored of one machine."""

    def __init__(self, engine: Engine, archive: Archive) -> None:
        self._engine = engine
        self._archive = archive

    async def sample(
        self, tenant: str, since_ns: int, rows: int
    ) -> AsyncIterator[Sequence[StoredRow]]:
        """See Stored."""
        for kind in _KINDS:
            taken = "LastSeen" if kind.table == "series" else "IngestTime"
            where = f"Tenant = {sql.text(tenant)} AND {taken} >= {sql.moment(since_ns)}"
            yield await self._some(kind, kind.table, where, taken, rows, f"hot {kind.table}")
        for kind in _KINDS:
            files = self._files(kind, tenant, since_ns)
            for file in files:
                source = f"file({sql.text(str(self._archive.directory / file.path))}, Parquet)"
                where = f"IngestTime >= {sql.moment(since_ns)}"
                share = max(1, rows // len(files))
                yield await self._some(
                    kind, source, where, "IngestTime", share, f"archived {kind.table}"
                )

    def _files(self, kind: _Kind, tenant: str, since_ns: int) -> list[ArchiveFile]:
        """At most AUDIT_FILES of those that may hold rows of the time, spread over it."""
        found = [
            file
            for file in self._archive.listing.files()
            if file.tenant == tenant and file.path.startswith(kind.folder)
        ]
        # Rows are taken in after they happened, so that files of before hold none of later.
        found = [file for file in found if self._written_ns(file) >= since_ns]
        step = -(-len(found) // limits.AUDIT_FILES) or 1
        return found[::step]

    def _written_ns(self, file: ArchiveFile) -> int:
        try:
            return (self._archive.directory / file.path).stat().st_mtime_ns
        except OSError:
            return 0

    async def _some(
        self, kind: _Kind, source: str, where: str, taken: str, rows: int, place: str
    ) -> list[StoredRow]:
        [(count,)] = await self._engine.rows(f"SELECT count() FROM {source} WHERE {where}")
        every = max(1, int(count) // rows)
        names = ", ".join(f"`{name}`" for name, _ in kind.columns)
        types = ", ".join(f"`{name}` {type_}" for name, type_ in kind.columns)
        key = f"cityHash64({names})"
        found = await self._engine.rows(
            f"SELECT {kind.service}, toUnixTimestamp64Nano(toDateTime64({taken}, 9, 'UTC')), "
            f"toJSONString(CAST(tuple({names}), 'Tuple({types})')) "
            f"FROM {source} WHERE {where} AND {key} % {every} = 0 LIMIT {rows}"
        )
        return [StoredRow(place, str(name), int(ns), str(row).encode()) for name, ns, row in found]
