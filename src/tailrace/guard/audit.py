"""The audit: the detectors of today over a sample of what was stored before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial

import msgspec

from tailrace.core.contracts import Stored, StoredRow
from tailrace.core.frame import Codec, Header
from tailrace.core.work import Work
from tailrace.guard import places
from tailrace.guard.cleaner import Cleaner


class Leak(msgspec.Struct):
    """Values of `detector` in rows of `place`: how many, in how many rows, and when the first and
    the last of these were taken in. `treatment` is what is done with such a value today; what a
    rule leaves as it is ("alert_only", "approved") is meant to be there. `fields`: where, with how
    many values."""

    place: str
    detector: str
    treatment: str
    hits: int
    rows: int
    first_ns: int
    last_ns: int
    fields: dict[str, int]


class Report(msgspec.Struct, frozen=True):
    """`rows` that were looked at, by place."""

    since_ns: int
    rows: dict[str, int]
    found: list[Leak]


class Audit:
    """One for each process and event loop."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored
        self._work = Work("audit")

    async def run(self, cleaner: Cleaner, tenant: str, since_ns: int, rows: int) -> Report:
        """Raises StoreError, and Busy where others wait for too long."""
        looked: Counter[str] = Counter()
        leaks: dict[tuple[str, str, str], Leak] = {}
        async for piece in self._stored.sample(tenant, since_ns, rows):
            for row in piece:
                looked[row.place] += 1
            await self._work.in_thread(tenant, partial(_look, cleaner, piece, leaks))
        ordered = sorted(leaks.values(), key=lambda leak: (leak.detector, leak.first_ns))
        return Report(since_ns, dict(looked), ordered)

    def close(self) -> None:
        """Let the threads go."""
        self._work.close()


def _look(
    cleaner: Cleaner, rows: Sequence[StoredRow], leaks: dict[tuple[str, str, str], Leak]
) -> None:
    header = Header("", "", 0, 0, 1, 0, 0, 0, codec=Codec.RECORDS)
    origin = places.Origin(header)
    for row in rows:
        _, _, environment = origin.of(row.row)
        seen: set[tuple[str, str, str]] = set()
        for hit in cleaner.find(row.row + b"\n"):
            treatment = cleaner.action(hit, row.service, environment)
            key = (row.place, hit.kind, treatment)
            leak = leaks.get(key)
            if leak is None:
                leak = leaks[key] = Leak(*key, 0, 0, row.taken_ns, row.taken_ns, {})
            leak.hits += 1
            leak.rows += key not in seen
            seen.add(key)
            leak.first_ns = min(leak.first_ns, row.taken_ns)
            leak.last_ns = max(leak.last_ns, row.taken_ns)
            field = places.field(row.row, hit.start)
            if field in leak.fields or len(leak.fields) < 20:
                leak.fields[field] = leak.fields.get(field, 0) + 1
