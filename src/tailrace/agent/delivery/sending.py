"""What an agent numbered, counted: so that a server can be told how much of it there is.

Counts are of all frames of a numbering from its first. Those of each minute are remembered until
its frames are delivered; what is numbered since the last checkpoint is counted again from the
spool."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from tailrace.agent.delivery.entries import Entry
from tailrace.agent.delivery.totals import Totals
from tailrace.core import limits
from tailrace.core.fleet import Sent
from tailrace.core.frame import Header
from tailrace.wire import frames

_MINUTE_NS = 60_000_000_000


class Sending:
    """Thread-safe: one thread numbers, one tells."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.begin("", 0, 1, Totals())

    def begin(self, source: str, epoch: int, next_seq: int, totals: Totals) -> None:
        """Count the frames of this numbering from here on."""
        with self._lock:
            self.numbering = (source, epoch)
            self._next_seq = next_seq
            self._totals = totals
            self._minutes: deque[tuple[int, Totals]] = deque(maxlen=limits.SENT_MINUTES)

    def add(self, entries: Sequence[Entry]) -> None:
        """Frames that are in the spool now, or were found there."""
        with self._lock:
            for entry in entries:
                header = frames.header(entry.frame)
                if (header.source, header.epoch) == self.numbering:
                    self._add(header)

    def _add(self, header: Header) -> None:
        before = self._totals
        if before.frames and before.at_ns // _MINUTE_NS != header.received_ns // _MINUTE_NS:
            self._minutes.append((header.seq, before))
        self._totals = before.with_frame(header)
        self._next_seq = header.seq + 1

    @property
    def totals(self) -> Totals:
        """Of all frames that were numbered."""
        with self._lock:
            return self._totals

    def told(self, before_seq: int) -> list[Sent]:
        """What was numbered by the end of each minute whose frames are all below `before_seq`: the
        newest of them, ascending. The minute that is not over counts when all of it is."""
        with self._lock:
            found = [totals.sent(seq) for seq, totals in self._minutes if seq <= before_seq]
            for _ in range(len(found) - limits.ANNOUNCED_SENT):
                self._minutes.popleft()
            if self._totals.frames and self._next_seq <= before_seq:
                found.append(self._totals.sent(self._next_seq))
        return found[-limits.ANNOUNCED_SENT :]
