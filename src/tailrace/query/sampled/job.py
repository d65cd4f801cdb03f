"""Every hour: what the hot store estimates of sampled services, and what the archive counts.

An hour is compared when both have all of it: it ended LATE_S ago, before anything that an agent may
still have in its spool was read, and all that was in the queue has been stored and archived. The
last day is kept, in memory; after a start it is compared again, some hours at a time.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from tailrace.core import limits, log
from tailrace.core.bounds import Terms
from tailrace.core.clock import Clock
from tailrace.core.errors import TailraceError
from tailrace.core.frame import Signal
from tailrace.core.metrics import Metrics
from tailrace.query.sampled.comparison import Compared, Hot, compare
from tailrace.store import sql
from tailrace.store.engine import Engine
from tailrace.store.reach import Reach

_log = log.get("query")
HOUR_NS = 3_600_000_000_000
TURN_S = 3600.0
# After a start there is other work to do first.
FIRST_S = 300.0
LATE_S = 3600.0
HOURS = 24
HOURS_A_TURN = 4
# Of the last day. Once may be chance, of all services and hours.
OUTSIDE = 2
# One statement at a time, on one thread: it may take long, and is not to be noticed.
_TERMS = Terms(120.0, settings={"max_threads": 1})
_THRESHOLD = "ResourceAttributes['sampling.threshold']"


class Service(msgspec.Struct, frozen=True):
    """Of a tenant's service, over the hours that are kept. `error`: of the estimate, in parts of
    the exact number; `outside`: hours of which it was further away than chance has it."""

    service: str
    hours: int
    estimated: int
    exact: int
    error: float
    outside: int
    wrong: bool


class Comparing:
    """`run` until it is cancelled. One for each process and event loop."""

    def __init__(
        self,
        engine: Engine,
        reach: Reach,
        horizon_ns: Callable[[], int],
        waiting_ns: Callable[[str], int | None],
        handled: Callable[[], Awaitable[bool]],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        """`horizon_ns`: from when on the hot store has all rows. `waiting_ns`: of a tenant, since
        when some agent may have what it has not delivered; None where nothing waits. `handled`
        waits until all that is in the queue is stored and archived; False when it gave up."""
        self._engine = engine
        self._reach = reach
        self._horizon_ns = horizon_ns
        self._waiting_ns = waiting_ns
        self._handled = handled
        self._clock = clock
        self._metrics = metrics
        # By tenant and hour.
        self._kept: dict[str, dict[int, list[Compared]]] = {}

    async def run(self) -> None:
        """A turn every TURN_S. What fails is tried again in the next one."""
        await asyncio.sleep(FIRST_S)
        while True:
            try:
                await self.turn()
            except (TailraceError, OSError) as error:
                _log.warning("samples not compared; trying again", extra={"error": str(error)})
            await asyncio.sleep(TURN_S)

    async def turn(self) -> None:
        """Compare what can be. Raises TailraceError, OSError."""
        now_ns = self._clock.wall_ns()
        if not await self._handled():
            return
        tenants = await self._tenants(now_ns)
        self._kept = {tenant: self._kept.get(tenant, {}) for tenant in tenants}
        try:
            for tenant in tenants:
                for hour_ns in self._due(tenant, now_ns):
                    self._keep(tenant, hour_ns, await self._compare(tenant, hour_ns))
        finally:
            self._measure()

    def services(self, tenant: str) -> list[Service]:
        """Those that are sampled, of which most is known to be wrong first."""
        by_service: dict[str, list[Compared]] = defaultdict(list)
        for found in self._kept.get(tenant, {}).values():
            for one in found:
                by_service[one.service].append(one)
        listed = [_service(name, found) for name, found in by_service.items()]
        return sorted(listed, key=lambda one: (-one.outside, -abs(one.error), one.service))

    def hours(self, tenant: str) -> list[int]:
        """The hours that are kept: their starts, UTC nanoseconds."""
        return sorted(self._kept.get(tenant, {}))

    async def _tenants(self, now_ns: int) -> list[str]:
        """That have sampled rows in the last day."""
        rows = await self._engine.rows(
            f"SELECT Tenant FROM logs WHERE Timestamp >= {sql.moment(now_ns - HOURS * HOUR_NS)} "
            f"AND Weight > 1 GROUP BY Tenant ORDER BY Tenant LIMIT {limits.TENANTS_COUNTED}",
            terms=_TERMS,
        )
        return [str(tenant) for (tenant,) in rows]

    def _due(self, tenant: str, now_ns: int) -> list[int]:
        """Hours that are to be compared now, the newest first."""
        waiting_ns = self._waiting_ns(tenant)
        whole_ns = min(now_ns, now_ns if waiting_ns is None else waiting_ns) - int(LATE_S * 1e9)
        newest = whole_ns // HOUR_NS - 1
        oldest = max(-(-self._horizon_ns() // HOUR_NS), now_ns // HOUR_NS - HOURS)
        kept = self._kept[tenant]
        due = [hour * HOUR_NS for hour in range(newest, oldest - 1, -1)]
        return [hour_ns for hour_ns in due if hour_ns not in kept][:HOURS_A_TURN]

    async def _compare(self, tenant: str, hour_ns: int) -> list[Compared]:
        end_ns = hour_ns + HOUR_NS
        where = (
            f"Tenant = {sql.text(tenant)} AND Timestamp >= {sql.moment(hour_ns)} "
            f"AND Timestamp < {sql.moment(end_ns)}"
        )
        archived: dict[str, dict[str, int]] = defaultdict(dict)
        reached = await self._reach.of(Signal.LOGS, tenant, hour_ns, end_ns - 1, exact=True)
        for service, threshold, rows in await self._engine.rows(
            f"SELECT ServiceName, {_THRESHOLD} AS threshold, sum(Weight) AS weight "
            f"FROM {reached.table} WHERE {where} GROUP BY ServiceName, threshold "
            f"ORDER BY weight DESC LIMIT {limits.SAMPLED_CELLS}",
            terms=_TERMS,
        ):
            archived[str(service)][str(threshold)] = int(rows)
        hot = await self._hot(where)
        sampled = [
            service
            for service in {*archived, *hot}
            if any(threshold for threshold in (*archived[service], *hot[service]))
        ]
        return [compare(one, hour_ns, hot[one], archived[one]) for one in sorted(sampled)]

    async def _hot(self, where: str) -> Mapping[str, dict[str, Hot]]:
        """By service and threshold. Rows of a trace were taken together."""
        found: dict[str, dict[str, Hot]] = defaultdict(dict)
        for service, threshold, weight, kept, effect in await self._engine.rows(
            "SELECT ServiceName, threshold, sum(weight) AS weights, sum(kept), "
            "sum(if(trace = '', taken, taken * taken)) / greatest(sum(taken), 1) FROM ("
            f"SELECT ServiceName, {_THRESHOLD} AS threshold, if(Weight > 1, TraceId, '') AS trace, "
            "sum(Weight) AS weight, countIf(Weight = 1) AS kept, countIf(Weight > 1) AS taken "
            f"FROM logs WHERE {where} GROUP BY ServiceName, threshold, trace"
            ") GROUP BY ServiceName, threshold "
            f"ORDER BY weights DESC LIMIT {limits.SAMPLED_CELLS}",
            terms=_TERMS,
        ):
            found[str(service)][str(threshold)] = Hot(int(weight), int(kept), float(effect))
        return found

    def _keep(self, tenant: str, hour_ns: int, found: Sequence[Compared]) -> None:
        largest = sorted(found, key=lambda one: -one.exact)[: limits.SAMPLED_SERVICES]
        kept = self._kept[tenant]
        kept[hour_ns] = largest
        for old in sorted(kept)[:-HOURS]:
            del kept[old]
        for one in found:
            kind = "few" if not one.judged else "outside" if one.outside else "inside"
            self._metrics.add("tailrace_sampling_compared_total", label=kind)
            if one.outside:
                _log.warning(
                    "the estimate of a sampled service is not what the archive counts",
                    extra={
                        "tenant": tenant, "service_name": one.service, "hour_ns": hour_ns,
                        "estimated": one.estimated, "exact": one.exact,
                    },
                )  # fmt: skip

    def _measure(self) -> None:
        listed = [one for tenant in self._kept for one in self.services(tenant)]
        exact = sum(one.exact for one in listed)
        estimated = sum(one.estimated for one in listed)
        together = abs(estimated - exact) / exact if exact else 0.0
        wrong = [one for one in listed if one.wrong]
        self._metrics.set("tailrace_sampling_error_ratio", together, "together")
        worst = max((abs(one.error) for one in wrong), default=0.0)
        self._metrics.set("tailrace_sampling_error_ratio", worst, "worst")
        self._metrics.set("tailrace_sampling_wrong_services", len(wrong))


def _service(name: str, found: Sequence[Compared]) -> Service:
    estimated, exact = sum(one.estimated for one in found), sum(one.exact for one in found)
    outside = sum(one.outside for one in found)
    error = (estimated - exact) / exact if exact else 0.0
    return Service(name, len(found), estimated, exact, error, outside, outside >= OUTSIDE)
