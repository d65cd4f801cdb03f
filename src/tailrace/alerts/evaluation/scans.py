"""Reads for many rules at once: leaves that are alike but for one value share what they read.

A rule's expression is computed as it is, only its leaves are read otherwise. Those that are alike
but for one value, such as the name of a service, and are asked at the same slots meet at a place,
and are read in one question for all their values. A question that fails or takes too long is asked
in halves from then on, so that one value whose rows cannot be counted keeps no other waiting long.
While the first place is read at a slot, those that its rules will need next are read beside it.

What a leaf is, and how those of a place are read, is each language's own: logscans.py and
samplescans.py.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from contextvars import Context
from functools import partial
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from tailrace.alerts.evaluation.kept import Kept, Series
from tailrace.core import limits
from tailrace.core.clock import Clock
from tailrace.core.errors import QueryError, TailraceError
from tailrace.query.bounds.shared import Shared
from tailrace.query.matrix.matrix import Matrix
from tailrace.query.plan import Grid

Shape = TypeVar("Shape")
Values: TypeAlias = tuple[str, ...]


class Slots(NamedTuple):
    """When something is asked: at steps of grids that begin `phase_ns` after a multiple of
    `step_ns`. `earlier`: it is read in the weeks before, by all at the same steps."""

    step_ns: int
    phase_ns: int
    earlier: bool = False


class Place(NamedTuple, Generic[Shape]):
    """Where leaves meet: those that have a shape in common, of one tenant and with the same
    slots."""

    tenant: str
    shape: Shape
    slots: Slots


class Share(NamedTuple, Generic[Shape]):
    """What one leaf is of all that is read at a place. A place and a value are one leaf."""

    place: Place[Shape]
    value: str


class Scan(NamedTuple, Generic[Shape]):
    """One question: the series of each of these values at each step."""

    place: Place[Shape]
    values: Values
    grid: Grid


# What a leaf may share: of one or more places one is chosen, where most meet.
Leaf: TypeAlias = tuple[Share[Shape], ...]


def slots_of(grid: Grid) -> Slots:
    """Those that a grid is of."""
    return Slots(grid.step_ns, grid.start_ns % grid.step_ns)


class Scans(Generic[Shape]):
    """`read` answers a scan, with each of its values; it may raise QueryError, TimeoutError and
    what else the engine raises. Used from one event loop."""

    def __init__(
        self, read: Callable[[Scan[Shape]], Awaitable[Series]], kept: Kept, clock: Clock
    ) -> None:
        self._read = read
        self._kept = kept
        self._clock = clock
        self._places: Mapping[Place[Shape], Values] = {}
        # Of each value those that it is asked with.
        self._together: dict[Place[Shape], dict[str, Values]] = {}
        self._again_s = 0.0
        self._under_way: Shared[Series] = Shared(clock, limits.SCAN_KEPT_S)
        self._ahead: asyncio.Task[None] | None = None

    async def load(self, rules: Iterable[Iterable[Leaf[Shape]]]) -> None:
        """Share what the leaves of these rules have in common, and nothing else."""
        self._places = await asyncio.to_thread(_places, rules)
        self._join()

    def _join(self) -> None:
        """All values of a place together, as many as one question may have."""
        self._together = {
            place: {value: piece for piece in _pieces(values) for value in piece}
            for place, values in self._places.items()
        }
        self._again_s = self._clock.monotonic_s() + limits.SCAN_APART_S

    def shared(self, leaf: Leaf[Shape]) -> Share[Shape] | None:
        """What a leaf shares with others, if anything."""
        return next((one for one in leaf if one.value in self._together.get(one.place, {})), None)

    async def series(self, share: Share[Shape], grid: Grid) -> Matrix | None:
        """Those of a leaf at each step; None where it is to be asked for alone. Raises what `read`
        raises, but for what a smaller question might not."""
        if self._clock.monotonic_s() >= self._again_s:
            self._join()
        place, value = share
        while values := self._together.get(place, {}).get(value):
            with suppress(QueryError, TimeoutError):
                return (await self._scan(Scan(place, values, grid)))[value]
        return None

    def _part(self, place: Place[Shape], values: Values) -> None:
        """Two halves from here on; one alone is asked as its rules ask."""
        half = len(values) // 2
        pieces = (values[:half], values[half:]) if half else ()
        smaller = {value: piece for piece in pieces for value in piece}
        known = self._together.get(place, {})
        for value in values:
            if known.get(value) == values:  # not yet by somebody else
                known[value] = smaller.get(value, ())

    async def _scan(self, scan: Scan[Shape]) -> Series:
        if self._kept.get(scan) is None and scan.grid.steps == 1 and not scan.place.slots.earlier:
            self._begin_ahead(scan)
        return await self._read_once(scan)

    def _begin_ahead(self, first: Scan[Shape]) -> None:
        if self._ahead is None or self._ahead.done():
            # Within no other's question, and so with a turn and bounds of its own.
            self._ahead = asyncio.create_task(self._read_ahead(first), context=Context())

    async def _read_ahead(self, first: Scan[Shape]) -> None:
        """What else is asked at the same slot, the last first: whoever evaluates comes from the
        other end, so that two questions are under way, and no more."""
        tenant, _, slots = first.place
        for place in reversed([*self._places]):
            if (place.tenant, place.slots) != (tenant, slots):
                continue
            known = self._together.get(place, {})
            for values in dict.fromkeys(known.values()):
                scan = Scan(place, values, first.grid)
                if not values or known.get(values[0]) != values or scan == first:
                    continue  # asked by each rule, or in parts by now
                try:
                    await self._read_once(scan)
                except (QueryError, TimeoutError):
                    continue
                except TailraceError:
                    return  # whoever asks for it is told

    async def _read_once(self, scan: Scan[Shape]) -> Series:
        if (known := self._kept.get(scan)) is not None:
            return known
        return await self._under_way.run(scan, 0.0, partial(self._asked, scan))

    async def _asked(self, scan: Scan[Shape]) -> Series:
        try:
            async with asyncio.timeout(scan.place.slots.step_ns / 1e9 * limits.SCAN_SHARE):
                found = await self._read(scan)
            self._kept.keep(scan, found)
        except (QueryError, TimeoutError):
            self._part(scan.place, scan.values)
            raise
        return found


def _places(rules: Iterable[Iterable[Leaf[Shape]]]) -> Mapping[Place[Shape], Values]:
    """Where as many meet as are worth it, and their values in order. Each leaf is at one place, the
    one at which most could meet."""
    leaves = Counter(leaf for rule in rules for leaf in set(rule) if leaf)
    most: Counter[Place[Shape]] = Counter()
    for leaf, count in leaves.items():
        most.update({one.place: count for one in leaf})
    met: dict[Place[Shape], Counter[str]] = {}
    for leaf, count in leaves.items():
        place, value = max(leaf, key=lambda one: most[one.place])
        met.setdefault(place, Counter())[value] += count
    return {
        place: tuple(sorted(values))
        for place, values in met.items()
        if values.total() >= limits.SCAN_RULES
    }


def _pieces(values: Values) -> Iterator[Values]:
    size = limits.SCAN_VALUES
    return (values[start : start + size] for start in range(0, len(values), size))
