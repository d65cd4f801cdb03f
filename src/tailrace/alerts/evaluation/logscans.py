"""Rules in LogQL that differ only in their service share what they read, see scans.py."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache, partial
from typing import NamedTuple

from tailrace.alerts.evaluation.kept import Kept, Series
from tailrace.alerts.evaluation.logshapes import by_service, of_services, own, ranks, shaped
from tailrace.alerts.evaluation.scans import Place, Scan, Scans, Share, Slots, slots_of
from tailrace.core.clock import Clock
from tailrace.query.bounds.question import Question, asking
from tailrace.query.logql.ast import Metric
from tailrace.query.logql.text import text
from tailrace.query.logs.leaf import Leaf, leaves
from tailrace.query.logs.logs import Logs
from tailrace.query.logs.metric import evaluate
from tailrace.query.matrix.matrix import Matrix, Value
from tailrace.query.plan import Grid

# Rules of which is known what they share; a process has some thousand.
_KNOWN = 4_096


class LogRule(NamedTuple):
    """An expression that is asked again and again."""

    tenant: str
    query: Metric
    slots: Slots


class LogScans:
    """`metric` is that of `logs`; what `load` was told of is shared. Used from one event loop."""

    def __init__(self, logs: Logs, kept: Kept, clock: Clock) -> None:
        self._logs = logs
        self._scans: Scans[Leaf] = Scans(self._asked, kept, clock)

    async def load(self, rules: Iterable[LogRule]) -> None:
        """Share what these have in common, and nothing else."""
        await self._scans.load(map(_leaves, rules))

    async def metric(self, query: Metric, tenant: str, grid: Grid) -> Value:
        """The value of a metric query, see `Logs.metric`."""
        if not any(map(self._scans.shared, _leaves(LogRule(tenant, query, slots_of(grid))))):
            return await self._logs.metric(query, tenant, grid)
        return await evaluate(query, grid, partial(self._read, tenant, grid))

    async def _read(self, tenant: str, grid: Grid, leaf: Leaf, on: Grid) -> Matrix:
        """A leaf of a query at the steps of `grid`, which is read at those of `on`."""
        slots = slots_of(grid)._replace(earlier=on != grid)
        if share := self._scans.shared(_share(tenant, leaf, slots)):
            series = await self._scans.series(share, on)
            if series is not None and (found := own(leaf, series)) is not None:
                return found
        return await self._logs.leaf(leaf, tenant, on)

    async def _asked(self, scan: Scan[Leaf]) -> Series:
        """Raises what `Logs.leaf` raises."""
        leaf = of_services(scan.place.shape, scan.values)
        with asking(Question(scan.place.tenant, text(leaf.aggregation))):
            found = await self._logs.leaf(leaf, scan.place.tenant, scan.grid)
        return by_service(found, scan.values)


@lru_cache(maxsize=_KNOWN)
def _leaves(rule: LogRule) -> tuple[tuple[Share[Leaf], ...], ...]:
    """What the leaves of a rule may share."""
    if ranks(rule.query):
        return ()
    return tuple(
        _share(rule.tenant, leaf, rule.slots._replace(earlier=earlier))
        for leaf, earlier in leaves(rule.query)
    )


def _share(tenant: str, leaf: Leaf, slots: Slots) -> tuple[Share[Leaf], ...]:
    if (known := shaped(leaf)) is None:
        return ()
    shape, service = known
    return (Share(Place(tenant, shape, slots), service),)
