"""Reads for many rules at once: rules that differ only in their service share what they read.

A rule's expression is computed as it is, only its leaves are read otherwise: those of one shape
(shapes.py) that are asked at the same slots are read in one question for all their services. A
question that fails or takes too long is asked in halves from then on, so that one service whose
rows cannot be counted keeps no other waiting for long.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import NamedTuple, TypeAlias

from tailrace.alerts.evaluation.shapes import by_service, of_services, own, ranks, shaped
from tailrace.core import limits
from tailrace.core.clock import Clock
from tailrace.core.errors import QueryError
from tailrace.query.bounds.question import Question, asking
from tailrace.query.bounds.shared import Shared
from tailrace.query.logql.ast import Metric
from tailrace.query.logql.text import text
from tailrace.query.logs.leaf import Leaf, leaves
from tailrace.query.logs.logs import Logs
from tailrace.query.logs.metric import evaluate
from tailrace.query.matrix.matrix import Matrix, Value
from tailrace.query.matrix.pieces import memory_bytes
from tailrace.query.plan import Grid

# What is kept of a question that found nothing.
_LEAST_BYTES = 1_000
Services: TypeAlias = tuple[str, ...]
Series: TypeAlias = Mapping[str, Matrix]


class Place(NamedTuple):
    """Where leaves meet: those of one shape whose slots are the same."""

    tenant: str
    shape: Leaf
    step_ns: int
    phase_ns: int


class Asked(NamedTuple):
    """An expression that is asked again and again: at steps of a grid that begins `phase_ns` after
    a multiple of `step_ns`."""

    tenant: str
    query: Metric
    step_ns: int
    phase_ns: int


class _Scan(NamedTuple):
    place: Place
    services: Services
    grid: Grid


class _Kept(NamedTuple):
    until_s: float
    series: Series
    bytes: int


class Scans:
    """`metric` is that of `logs`; what `load` was told of is shared. Used from one event loop."""

    def __init__(self, logs: Logs, clock: Clock) -> None:
        self._logs = logs
        self._clock = clock
        self._places: Mapping[Place, Services] = {}
        # Of each service those that it is asked with.
        self._together: dict[Place, dict[str, Services]] = {}
        self._again_s = 0.0
        self._under_way: Shared[Series] = Shared(clock, limits.SCAN_KEPT_S)
        self._kept: dict[_Scan, _Kept] = {}

    async def load(self, asked: Iterable[Asked]) -> None:
        """Share what these have in common, and nothing else."""
        self._places = await asyncio.to_thread(_places, asked)
        self._join()

    def _join(self) -> None:
        """All services of a place together, as many as one question may have."""
        self._together = {
            place: {name: piece for piece in _pieces(services) for name in piece}
            for place, services in self._places.items()
        }
        self._again_s = self._clock.monotonic_s() + limits.SCAN_APART_S

    async def metric(self, query: Metric, tenant: str, grid: Grid) -> Value:
        """The value of a metric query, see `Logs.metric`."""
        phase_ns = grid.start_ns % grid.step_ns
        found = _found(Asked(tenant, query, grid.step_ns, phase_ns))
        if not any(place in self._together for place, _ in found):
            return await self._logs.metric(query, tenant, grid)
        return await evaluate(query, grid, partial(self._read, tenant, grid))

    async def _read(self, tenant: str, grid: Grid, leaf: Leaf) -> Matrix:
        if (known := shaped(leaf)) is not None:
            shape, service = known
            place = Place(tenant, shape, grid.step_ns, grid.start_ns % grid.step_ns)
            series = await self._series(place, service, grid)
            if series is not None and (found := own(leaf, series)) is not None:
                return found
        return await self._logs.leaf(leaf, tenant, grid)

    async def _series(self, place: Place, service: str, grid: Grid) -> Matrix | None:
        """Those of a service; None where nothing is shared with it."""
        if self._clock.monotonic_s() >= self._again_s:
            self._join()
        while services := self._together.get(place, {}).get(service):
            try:
                found = await self._scan(_Scan(place, services, grid))
            except (QueryError, TimeoutError):
                self._part(place, services)
            else:
                return found.get(service, found[""])
        return None

    def _part(self, place: Place, services: Services) -> None:
        """Two halves from here on; one alone is asked as its rules ask."""
        half = len(services) // 2
        pieces = (services[:half], services[half:]) if half else ()
        smaller = {name: piece for piece in pieces for name in piece}
        known = self._together.get(place, {})
        for name in services:
            if known.get(name) == services:  # not yet by somebody else
                known[name] = smaller.get(name, ())

    async def _scan(self, scan: _Scan) -> Series:
        """Raises what `Logs.leaf` raises."""
        self._let_go()
        if (known := self._kept.get(scan)) is not None:
            return known.series
        return await self._under_way.run(scan, 0.0, partial(self._asked, scan))

    async def _asked(self, scan: _Scan) -> Series:
        leaf = of_services(scan.place.shape, scan.services)
        seconds = scan.grid.step_ns / 1e9 * limits.SCAN_SHARE
        with asking(Question(scan.place.tenant, text(leaf.aggregation))):
            async with asyncio.timeout(seconds):
                found = await self._logs.leaf(leaf, scan.place.tenant, scan.grid)
        series = by_service(found)
        until_s = self._clock.monotonic_s() + limits.SCAN_KEPT_S
        self._kept[scan] = _Kept(until_s, series, _LEAST_BYTES + memory_bytes(found))
        return series

    def _let_go(self) -> None:
        """Of what is too old, and of the oldest where there is too much."""
        now_s = self._clock.monotonic_s()
        held = sum(one.bytes for one in self._kept.values())
        for scan, one in list(self._kept.items()):
            if one.until_s > now_s and held <= limits.SCANS_KEPT_BYTES:
                break
            del self._kept[scan]
            held -= one.bytes


def _found(asked: Asked) -> Iterator[tuple[Place, str]]:
    """The places of the leaves of a query that can share, and their services."""
    if ranks(asked.query):
        return
    for leaf in leaves(asked.query):
        if (known := shaped(leaf)) is not None:
            yield Place(asked.tenant, known[0], asked.step_ns, asked.phase_ns), known[1]


def _places(asked: Iterable[Asked]) -> Mapping[Place, Services]:
    """Where as many meet as are worth it, and their services in order."""
    counts: dict[Place, Counter[str]] = {}
    for one in asked:
        for place, service in set(_found(one)):
            counts.setdefault(place, Counter())[service] += 1
    return {
        place: tuple(sorted(services))
        for place, services in counts.items()
        if services.total() >= limits.SCAN_RULES
    }


def _pieces(services: Services) -> Iterator[Services]:
    size = limits.SCAN_SERVICES
    return (services[start : start + size] for start in range(0, len(services), size))
