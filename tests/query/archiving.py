"""Rows of a tenant that are hot, archived, or both; and the services that answer from them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tailrace.core.clock import ManualClock
from tailrace.core.contracts import Position
from tailrace.core.frame import Header, Signal
from tailrace.query.bounds.question import Question, asking
from tailrace.query.logql.parser import parse, parse_log
from tailrace.query.logs.lines import LogRange
from tailrace.query.logs.logs import Logs
from tailrace.query.plan import Grid
from tailrace.query.service import QueryService
from tailrace.query.sources import HotAndArchive
from tailrace.store import sql
from tailrace.store.archive import Archive
from tailrace.store.horizon import Horizon
from tailrace.store.keep import Groups
from tailrace.store.reach import Reach
from tailrace.store.schema import HOT_TABLES

SECOND = 1_000_000_000
BASE_S = 1_767_225_600
BASE = BASE_S * SECOND
BULK = {Signal.LOGS: "bulk_rows", Signal.SPANS: "bulk_spans", Signal.METRICS: "bulk_samples"}


class Exporting:
    """The engine of the tests, as the archive wants it."""

    def __init__(self, engine: Any) -> None:
        self.rows = engine.rows
        self._command = engine.client.command

    async def export(self, statement: str) -> None:
        await asyncio.to_thread(self._command, statement)


class Archiving:
    """An archive in `folder`, a horizon, and a service over both; all of it blocks."""

    def __init__(self, engine: Any, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self.command = engine.client.command
        self.archive = Archive(Exporting(engine), folder / "archive")  # type: ignore[arg-type]
        self.horizon = Horizon(folder / "horizon")
        sources = HotAndArchive(Reach(self.archive, self.horizon))
        clock = ManualClock(BASE + 3600 * SECOND)
        self.service = QueryService(engine, clock=clock, sources=sources)
        self.logs = Logs(self.service)
        # On the last answer.
        self.remarks: list[str] = []
        asyncio.run(self.archive.open(self.service.steps, self.horizon))
        self.horizon.open(self.archive.upto)
        self._steps = self.archive.listing.steps

    def archived(
        self, tenant: str, signal: Signal = Signal.LOGS, lane: str = "hot", seq: int = 0
    ) -> None:
        """All rows of the tenant that the table of the lane has, or of one frame, in one step."""
        table = (HOT_TABLES if lane == "hot" else BULK)[signal]
        found = asyncio.run(
            self.engine.rows(
                "SELECT Source, Epoch, Seq, toUnixTimestamp64Nano(IngestTime), count() "
                f"FROM {table} WHERE Tenant = {sql.text(tenant)} GROUP BY ALL"
            )
        )
        headers = [
            Header(
                tenant=tenant, source=source, epoch=epoch, seq=number, rows=rows, bytes=1,
                checksum=1, received_ns=received, signal=signal,
            )
            for source, epoch, number, received, rows in found
            if seq in (0, number)
        ]  # fmt: skip
        lanes = (headers, []) if lane == "hot" else ([], headers)
        self._steps += 1
        asyncio.run(self.archive.step(*lanes, Position(1, self._steps)))

    def bulk(self, tenant: str) -> None:
        """What the tenant has hot goes to the archive as whole rows, and is hot no more."""
        where = f"Tenant = {sql.text(tenant)}"
        self.command("TRUNCATE TABLE bulk_rows")
        self.command(f"INSERT INTO bulk_rows SELECT * REPLACE(1 AS Weight) FROM logs WHERE {where}")
        self.archived(tenant, lane="bulk")
        self._delete("logs", where)

    def dropped(self, before_ns: int, *tenants: str, **services: int) -> None:
        """The horizon is there, and the older rows of these tenants are not hot any more; of those
        of `services` with the times that are given instead."""
        named = Groups(services=tuple(services))
        targets = {
            key: services.get(key[1].service or "", before_ns) for key in self.horizon.times(named)
        }
        self.horizon.raise_to(targets, self.archive.upto, named)
        for tenant in tenants:
            for signal, table in HOT_TABLES.items():
                apart = {} if signal is Signal.METRICS else services
                for service, time_ns in {"": before_ns, **apart}.items():
                    self._delete(table, _whose(signal, tenant, service, services, time_ns))

    def _delete(self, table: str, where: str) -> None:
        if self.command(f"SELECT count() FROM {table} WHERE {where}") in (0, "0"):
            return  # a deletion looks at every part
        self.command(f"ALTER TABLE {table} DELETE WHERE {where} SETTINGS mutations_sync=2")

    def lines(
        self, tenant: str, query: str, span: tuple[int, int], limit: int = 100,
        forward: bool = False, exact: str = "",
    ) -> list[tuple[int, str, str]]:  # fmt: skip
        """Time, line and stream of each."""
        wanted = LogRange(*span, limit, forward)
        with asking(Question(tenant, exact=exact)) as question:
            found = asyncio.run(self.logs.lines(parse_log(query), tenant, wanted))
        self.remarks = list(question.remarks)
        return [(one.time_ns, one.line, repr(sorted(one.stream.items()))) for one in found]

    def metric(
        self, tenant: str, query: str, grid: Grid, exact: str = ""
    ) -> dict[Any, list[float | None]]:
        """Values by labels."""
        tree: Any = parse(query)
        with asking(Question(tenant, exact=exact)) as question:
            found: Any = asyncio.run(self.logs.metric(tree, tenant, grid))
        self.remarks = list(question.remarks)
        return {
            labels: [
                value if there else None
                for value, there in zip(
                    found.values[row].tolist(), found.present[row].tolist(), strict=True
                )
            ]
            for row, labels in enumerate(found.labels)
        }


def _whose(
    signal: Signal, tenant: str, service: str, services: Iterable[str], before_ns: int
) -> str:
    """Condition for the older rows of a service, or of all that are not named."""
    where = f"Tenant = {sql.text(tenant)} AND Timestamp < {sql.moment(before_ns)}"
    if service:
        return f"{where} AND ServiceName = {sql.text(service)}"
    names = ", ".join(map(sql.text, services))
    named = names and signal is not Signal.METRICS
    return f"{where} AND ServiceName NOT IN ({names})" if named else where
