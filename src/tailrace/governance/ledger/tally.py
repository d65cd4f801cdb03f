"""What comes into the queue, counted by source and minute as it becomes durable."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from tailrace.core import limits
from tailrace.core.frame import Header
from tailrace.core.ledger import CHECKSUM_MASK, Counted, CountKey, lane_of, source_of

MINUTE_NS = 60_000_000_000
RECEIVED = "received"
# Frames of which the guard let no row pass never come into the queue; `guarded` has their rows.
AWAY = "away"


class Tally:
    """In memory. All methods belong to one event loop.

    Of more than `LEDGER_COUNTS` counts none is kept: then it is not `following`, counts nothing
    more, and who keeps it reads the queue instead. `full` is set well before that.
    """

    def __init__(self, full_bytes: int = 2**63) -> None:
        """`full` is set, too, after so many bytes before compression: the queue holds them until
        their counts are kept."""
        self._full_bytes = full_bytes
        self._bytes = 0
        self._counts: dict[CountKey, Counted] = {}
        self.following = False
        self.full = asyncio.Event()

    def wanted(self, header: Header) -> bool:
        """Count what is durable now. See Feed.follow: it never wants to see the frame itself."""
        if self.following:
            self.add(header)
            self._bytes += header.bytes
            if self._bytes > self._full_bytes:
                self.full.set()
            if len(self._counts) > limits.LEDGER_COUNTS:
                self.following = False
                self.forget()
        return False

    def add(self, header: Header, kind: str = RECEIVED) -> None:
        minute = max(0, header.received_ns) // MINUTE_NS
        source = source_of(header.source)
        key = CountKey(kind, header.tenant, source, minute, lane_of(header))
        counted = self._counts.get(key)
        if counted is None:
            counted = self._counts[key] = Counted()
            if len(self._counts) > limits.LEDGER_COUNTS // 2:
                self.full.set()
        counted.add(header)

    def away(self, headers: Iterable[Header]) -> None:
        """Frames that were taken, and of which nothing is passed on."""
        for header in headers:
            self.add(header, AWAY)

    def take(self) -> dict[CountKey, Counted]:
        """All there is, which is forgotten."""
        counts, self._counts = self._counts, {}
        self._bytes = 0
        self.full.clear()
        return counts

    def give_back(self, counts: Mapping[CountKey, Counted]) -> None:
        """What was taken and not kept."""
        for key, counted in counts.items():
            _join(self._counts.setdefault(key, Counted()), counted)

    def forget(self) -> None:
        """What was received, but not what stands nowhere else."""
        self._counts = {key: one for key, one in self._counts.items() if key.kind != RECEIVED}

    def received(self, tenant: str) -> Mapping[str, Counted]:
        """What came and is not kept yet, by source."""
        found: dict[str, Counted] = {}
        for key, counted in self._counts.items():
            if key.tenant == tenant and key.kind == RECEIVED:
                _join(found.setdefault(key.source, Counted()), counted)
        return found


def _join(here: Counted, more: Counted) -> None:
    here.frames += more.frames
    here.rows += more.rows
    here.bytes += more.bytes
    here.checksum = (here.checksum + more.checksum) & CHECKSUM_MASK
    here.guarded += more.guarded
