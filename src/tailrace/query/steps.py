"""Finished time steps of queries, so that a dashboard that refreshes asks only for its last step.

A step at time t depends on rows at t and before (or `ahead_ns` after it, for a query that looks
ahead), so a row that is stored at event time x changes the steps from x on and no other. Whoever
changes stored rows says so, after queries can see the change, and the steps from there on are
dropped. So what is kept is right however old or new the step is:

- A query that began before a change and ends after it may have read either. Each that is under way
  has a floor, the first step that any change since its beginning touches, and only what is below it
  is kept of its answer.
- It may also have used something that is a little older than its beginning, such as which labels
  there are. So its floor begins with the changes of the last `lag_s` seconds.
- A query that is answered from kept steps between a change and the word of it is as one that was
  asked a moment before. Nothing of that answer is kept again.
"""

from __future__ import annotations

import math
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from tailrace.core import limits
from tailrace.core.clock import Clock
from tailrace.core.frame import Signal
from tailrace.core.metrics import Metrics
from tailrace.query.bounds.question import ARCHIVE, asked, remark, remarking
from tailrace.query.matrix.matrix import Matrix
from tailrace.query.matrix.pieces import columns, memory_bytes, side_by_side
from tailrace.query.plan import Grid

EvaluatePart = Callable[[Grid], Awaitable[Matrix]]
# Whose rows, of which kind, and `exact` of the question, see StepKey.
Source = tuple[str, Signal, str]
# An entry of a query without any series.
_ENTRY_BYTES = 1_000
_NEVER = math.inf


@dataclass(frozen=True)
class StepKey:
    """Which query: `text` in one spelling for all that mean the same, with all that changes its
    answer but the times, such as options. `exact`: what the question is to be answered from."""

    tenant: str
    signal: Signal
    language: str
    text: str
    exact: str = field(default_factory=lambda: asked().exact)

    @property
    def source(self) -> Source:
        """What its steps are made from."""
        return (self.tenant, self.signal, self.exact)


# With its step and phase in nanoseconds: grids that share both share their steps.
_Key = tuple[StepKey, int, int]


@dataclass(frozen=True)
class _Entry:
    """The steps from number `first` on; step i is at `phase + i * step`. `remarks` were made on any
    of them."""

    first: int
    matrix: Matrix
    ahead_ns: int
    remarks: Sequence[str]
    size: int = 0

    @property
    def stop(self) -> int:
        return self.first + self.matrix.steps


@dataclass(eq=False)
class _Reading:
    """A query that is under way: what it reads at or above `floor_ns` may be of the past."""

    floor_ns: float


class StepCache:
    """Steps of at most `max_bytes`; those that were not asked for longest go first.

    For queries whose value at a step depends on nothing but rows around that step: not for those
    that look at a fixed time. Used from one event loop.
    """

    def __init__(
        self,
        metrics: Metrics,
        clock: Clock,
        max_bytes: int = limits.STEP_CACHE_BYTES,
        lag_s: float = limits.STEP_CACHE_LAG_S,
    ) -> None:
        self._metrics = metrics
        self._max_bytes = max_bytes
        self._entries: OrderedDict[_Key, _Entry] = OrderedDict()
        self._of_source: defaultdict[Source, set[_Key]] = defaultdict(set)
        self._bytes = 0
        self._readings: defaultdict[Source, set[_Reading]] = defaultdict(set)
        self._recent = _Recent(clock, lag_s)

    @property
    def bytes(self) -> int:
        """What is kept, about."""
        return self._bytes

    async def evaluate(
        self, key: StepKey, grid: Grid, evaluate_part: EvaluatePart, ahead_ns: int = 0
    ) -> Matrix:
        """The query at every step of `grid`, without series that are empty there.

        `evaluate_part` is asked once for the steps that are missing, or for all; it answers with a
        matrix of just those steps. `ahead_ns` is how far after a step the rows may be that it
        depends on: the largest negative offset. What was remarked on kept steps is remarked again.
        Raises what `evaluate_part` raises.
        """
        phase = grid.start_ns % grid.step_ns
        whole = (key, grid.step_ns, phase)
        first = grid.start_ns // grid.step_ns
        stop = first + grid.steps
        entry = self._entries.get(whole)
        low, high = _missing(entry, first, stop)
        self._count(grid.steps, high - low)
        if entry is not None:
            self._entries.move_to_end(whole)
        if entry is not None and (low > first or high < stop):
            remark(*entry.remarks)
        if low == high and entry is not None:
            return _cut(entry, first, stop).without_empty()
        part = Grid(low * grid.step_ns + phase, grid.step_ns, high - low)
        reading = _Reading(self._recent.floor_ns(key.source))
        readings = self._readings[key.source]
        readings.add(reading)
        said: dict[str, None] = {}
        try:
            with remarking(said):
                found = await evaluate_part(part)
        finally:
            readings.discard(reading)
            if not readings:
                self._readings.pop(key.source, None)
        assert found.steps == part.steps, "a part has the steps that it was asked for"
        remark(*said)
        self._keep(whole, _Entry(low, found, ahead_ns, tuple(said)), reading.floor_ns)
        pieces = [found]
        if entry is not None and low > first:
            pieces.insert(0, _cut(entry, first, low))
        if entry is not None and high < stop:
            pieces.append(_cut(entry, high, stop))
        return side_by_side(pieces).without_empty()

    def changed(self, tenant: str, signal: Signal, first_ns: int) -> None:
        """Rows at `first_ns` or later were stored or taken away, and queries can see it."""
        self._changed((tenant, signal, ""), first_ns)

    def archived(self, tenant: str, signal: Signal, first_ns: int) -> None:
        """The same of what is answered from the archive alone."""
        self._changed((tenant, signal, ARCHIVE), first_ns)

    def _changed(self, source: Source, first_ns: int) -> None:
        self._recent.note(source, first_ns)
        for reading in self._readings.get(source, ()):
            reading.floor_ns = min(reading.floor_ns, first_ns)
        for key in list(self._of_source.get(source, ())):
            entry = self._entries[key]
            kept = _below(key, entry, first_ns)
            if not kept:
                self._drop(key)
            elif kept < entry.matrix.steps:
                self._entries[key] = replace(entry, matrix=columns(entry.matrix, 0, kept))
        self._measure()

    def _count(self, wanted: int, missing: int) -> None:
        steps = {"reused": float(wanted - missing), "evaluated": float(missing)}
        self._metrics.add_each("tailrace_query_cached_steps_total", steps)

    def _keep(self, key: _Key, fresh: _Entry, floor_ns: float) -> None:
        kept = _below(key, fresh, floor_ns)
        if not kept:
            return
        fresh = replace(fresh, matrix=columns(fresh.matrix, 0, kept))
        known = self._entries.get(key)
        if known is not None:
            fresh = _united(known, fresh)
        over = fresh.matrix.steps - limits.QUERY_STEPS
        if over > 0:
            newest = columns(fresh.matrix, over, fresh.matrix.steps)
            fresh = replace(fresh, first=fresh.first + over, matrix=newest)
        matrix = fresh.matrix.without_empty()
        size = memory_bytes(matrix) + len(key[0].text) + _ENTRY_BYTES
        self._drop(key)
        if size <= self._max_bytes // 2:
            self._entries[key] = replace(fresh, matrix=matrix, size=size)
            self._of_source[key[0].source].add(key)
            self._bytes += size
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._entries)))
        self._measure()

    def _drop(self, key: _Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        self._bytes -= entry.size
        keys = self._of_source[key[0].source]
        keys.discard(key)
        if not keys:
            del self._of_source[key[0].source]

    def _measure(self) -> None:
        self._metrics.set("tailrace_query_cached_bytes", self._bytes)


def _missing(entry: _Entry | None, first: int, stop: int) -> tuple[int, int]:
    """The steps to evaluate. All, when what is kept lies within: one evaluation, not two."""
    if entry is None or entry.stop <= first or stop <= entry.first:
        return first, stop
    before, after = entry.first > first, entry.stop < stop
    if before and after:
        return first, stop
    if before:
        return first, entry.first
    return (entry.stop, stop) if after else (stop, stop)


def _cut(entry: _Entry, first: int, stop: int) -> Matrix:
    return columns(entry.matrix, first - entry.first, stop - entry.first)


def _below(key: _Key, entry: _Entry, first_ns: float) -> int:
    """How many steps of an entry a change at `first_ns` leaves as they are."""
    if first_ns == _NEVER:
        return entry.matrix.steps
    _, step_ns, phase = key
    # The first step at or after the change.
    touched = -((phase - (int(first_ns) - entry.ahead_ns)) // step_ns)
    return min(max(touched - entry.first, 0), entry.matrix.steps)


def _united(known: _Entry, fresh: _Entry) -> _Entry:
    """Both where they touch, else the fresh one. Where they overlap both are right."""
    if fresh.first > known.stop or fresh.stop < known.first:
        return fresh
    if fresh.first <= known.first and fresh.stop >= known.stop:
        return fresh
    pieces = [known.matrix]
    if fresh.first < known.first:
        pieces.insert(0, _cut(fresh, fresh.first, known.first))
    if fresh.stop > known.stop:
        pieces.append(_cut(fresh, known.stop, fresh.stop))
    ahead = max(known.ahead_ns, fresh.ahead_ns)
    remarks = tuple(dict.fromkeys((*known.remarks, *fresh.remarks)))
    return _Entry(min(known.first, fresh.first), side_by_side(pieces), ahead, remarks)


class _Recent:
    """The first event time that changed in each of the last seconds, by source."""

    def __init__(self, clock: Clock, lag_s: float) -> None:
        self._clock = clock
        self._lag_s = lag_s
        self._firsts: dict[Source, dict[int, int]] = {}

    def note(self, source: Source, first_ns: int) -> None:
        """Rows from `first_ns` on have changed."""
        second = math.floor(self._clock.monotonic_s())
        if source not in self._firsts and len(self._firsts) >= limits.TENANTS_COUNTED:
            self._firsts = {one: self._young(firsts) for one, firsts in self._firsts.items()}
            self._firsts = {one: firsts for one, firsts in self._firsts.items() if firsts}
        firsts = self._young(self._firsts.get(source, {}))
        firsts[second] = min(first_ns, firsts.get(second, first_ns))
        self._firsts[source] = firsts

    def floor_ns(self, source: Source) -> float:
        """The first event time that changed lately."""
        return min(self._young(self._firsts.get(source, {})).values(), default=_NEVER)

    def _young(self, firsts: dict[int, int]) -> dict[int, int]:
        since_s = self._clock.monotonic_s() - self._lag_s - 1.0
        return {second: first for second, first in firsts.items() if second >= since_s}
