"""Queries over a range, with their finished steps and the remarks on them remembered."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable

from tailrace.query.matrix.matrix import Matrix
from tailrace.query.notes import Notes
from tailrace.query.plan import Grid
from tailrace.query.steps import StepCache, StepKey

Part = Callable[[Grid, Notes], Awaitable[Matrix]]
_QUERIES = 1_000


class Remembered:
    """The steps of `StepCache`, and for each of the last queries what was remarked on any of them.
    Used from one event loop."""

    def __init__(self, steps: StepCache) -> None:
        self._steps = steps
        self._said: OrderedDict[StepKey, Notes] = OrderedDict()

    async def evaluate(
        self, key: StepKey, grid: Grid, part: Part, notes: Notes, ahead_ns: int = 0
    ) -> Matrix:
        """As `StepCache.evaluate`; remarks on its steps are added to `notes`."""
        said = self._said.setdefault(key, Notes())
        self._said.move_to_end(key)
        found = await self._steps.evaluate(key, grid, lambda some: part(some, said), ahead_ns)
        for remark in said.texts:
            notes.add(remark)
        while len(self._said) > _QUERIES:
            self._said.popitem(last=False)
        return found
