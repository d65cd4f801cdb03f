"""Rules in PromQL that differ only in the value of a label share what they read, see scans.py."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import NamedTuple, TypeAlias

from tailrace.alerts.evaluation.kept import Kept, Series
from tailrace.alerts.evaluation.sampleshapes import SampleShape, shaped
from tailrace.alerts.evaluation.scans import Place, Scan, Scans, Share, Slots, slots_of
from tailrace.core.clock import Clock
from tailrace.query.bounds.question import Question, asking
from tailrace.query.matrix.matrix import Matrix, Value
from tailrace.query.plan import Grid
from tailrace.query.promql.ast import Expression, Window
from tailrace.query.promql.leaf import Leaf, leaves
from tailrace.query.promql.samples import LOOKBACK_NS, Samples
from tailrace.query.promql.series import as_stored
from tailrace.query.promql.text import text

_Shares: TypeAlias = tuple[Share[SampleShape], ...]


class SampleRule(NamedTuple):
    """An expression that is asked again and again."""

    tenant: str
    tree: Expression
    slots: Slots


class SampleScans:
    """`value` is that of `samples`; what `load` was told of is shared. Used from one event loop."""

    def __init__(self, samples: Samples, kept: Kept, clock: Clock) -> None:
        self._samples = samples
        self._scans: Scans[SampleShape] = Scans(self._asked, kept, clock)

    async def load(self, rules: Iterable[SampleRule]) -> None:
        """Share what these have in common, and nothing else."""
        await self._scans.load(map(_leaves, rules))

    async def value(self, tree: Expression, tenant: str, grid: Grid) -> Value:
        """The value of a number or a vector, see `Samples.value`."""
        if not any(map(self._scans.shared, _leaves(SampleRule(tenant, tree, slots_of(grid))))):
            return await self._samples.value(tree, tenant, grid)
        elsewhere = partial(self._read, tenant, grid)
        return await self._samples.value_with(tree, tenant, grid, elsewhere)

    async def _read(self, tenant: str, grid: Grid, leaf: Leaf, on: Grid) -> Matrix | None:
        """A leaf of a query at the steps of `grid`, which is read at those of `on`."""
        slots = slots_of(grid)._replace(earlier=on != grid)
        share = self._scans.shared(_shares(tenant, leaf, slots))
        return await self._scans.series(share, on) if share else None

    async def _asked(self, scan: Scan[SampleShape]) -> Series:
        """Raises what `Samples.leaves` raises."""
        leaf, label = scan.place.shape
        with asking(Question(scan.place.tenant, text(Window(leaf.selector, leaf.range_ns)))):
            return await self._samples.leaves(
                leaf, label, scan.values, scan.place.tenant, scan.grid
            )


def _leaves(rule: SampleRule) -> list[_Shares]:
    """What the leaves of a rule may share."""
    found = leaves(rule.tree, LOOKBACK_NS, as_stored(rule.tree))
    return [
        _shares(rule.tenant, leaf, rule.slots._replace(earlier=earlier)) for leaf, earlier in found
    ]


def _shares(tenant: str, leaf: Leaf, slots: Slots) -> _Shares:
    return tuple(Share(Place(tenant, shape, slots), value) for shape, value in shaped(leaf))
