"""What was found and is not written yet, in memory.

The guard notes from its threads many times a second, one writer takes. A place has one tally, and
places are bounded: with no room for another, its hits are counted with the others of its service,
then of its tenant and detector, which are as few as those who may send and the detectors.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import msgspec

from tailrace.core import limits
from tailrace.core.finding import Finding, Place
from tailrace.governance.findings.place import OTHERS, cleaned, others, others_of_all

SPAN_NS = 300 * 10**9
_LATEST_NS = 2**63 - 1
# No machine finds so many in five minutes; sums of it stay within the 64 bits of a column.
_MOST_HITS = 10**12


class Tally(msgspec.Struct):
    """Hits by the start of the span in which they were taken in, UTC nanoseconds."""

    first_ns: int
    last_ns: int
    spans: dict[int, int]

    def add(self, first_ns: int, last_ns: int, spans: dict[int, int]) -> None:
        """Join with what was found at the same place. Of too many spans the oldest are joined."""
        self.first_ns = min(self.first_ns, first_ns)
        self.last_ns = max(self.last_ns, last_ns)
        for start_ns, hits in spans.items():
            self.spans[start_ns] = min(self.spans.get(start_ns, 0) + hits, _MOST_HITS)
        while len(self.spans) > limits.FINDING_SPANS_HELD:
            oldest, second = sorted(self.spans)[:2]
            self.spans[second] = min(self.spans[second] + self.spans.pop(oldest), _MOST_HITS)

    @property
    def hits(self) -> int:
        """In all spans."""
        return sum(self.spans.values())


class Tallies:
    """Thread-safe. The lock is held for a dictionary's work, never for a wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[Place, Tally] = {}

    def __len__(self) -> int:
        return len(self._held)

    def note(self, found: Sequence[Finding]) -> int:
        """Count these; gives the hits that were joined with others for want of room."""
        clean = [(cleaned(one.place), one) for one in found if one.hits > 0]
        joined = 0
        with self._lock:
            for place, one in clean:
                joined += self._note(place, one)
        return joined

    def _note(self, place: Place, one: Finding) -> int:
        kept = self._room(place)
        last_ns = min(max(one.last_ns, 0), _LATEST_NS)
        first_ns = min(max(one.first_ns, 0), last_ns)
        spans = {last_ns - last_ns % SPAN_NS: min(one.hits, _MOST_HITS)}
        tally = self._held.get(kept)
        if tally is None:
            self._held[kept] = Tally(first_ns, last_ns, spans)
        else:
            tally.add(first_ns, last_ns, spans)
        return one.hits if kept.field == OTHERS != place.field else 0

    def _room(self, place: Place) -> Place:
        """Where the hits of `place` are counted."""
        held = len(self._held)
        if place in self._held or held < limits.FINDING_PLACES_HELD:
            return place
        wider = others(place)
        if wider in self._held or held < limits.FINDING_PLACES_HELD + limits.FINDING_SERVICES:
            return wider
        return others_of_all(place)

    def take(self, places: int) -> dict[Place, Tally]:
        """The first so many, which are then the caller's."""
        with self._lock:
            first = [place for place, _ in zip(self._held, range(places), strict=False)]
            return {place: self._held.pop(place) for place in first}
