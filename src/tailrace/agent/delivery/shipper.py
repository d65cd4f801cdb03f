"""Bodies of frames to a gateway over HTTP, for as long as it takes: the hot lane at once, the bulk
lane when there is nothing hot to send and its pace allows."""

from __future__ import annotations

import threading

from tailrace.agent.delivery.entries import Entry
from tailrace.agent.delivery.pacing import Pacing
from tailrace.agent.delivery.rejected import Rejected
from tailrace.agent.delivery.spool import Spool
from tailrace.core import limits, log
from tailrace.core.clock import Clock
from tailrace.core.frame import Lane
from tailrace.core.metrics import Metrics
from tailrace.ship.sender import Later, Refused, Sender
from tailrace.wire import frames

_log = log.get("agent")
# A body is held in memory; larger ones saved no CPU.
SHIP_BYTES = limits.MIB
FAILURE_S = 1.0


class Shipper:
    """Takes entries out of the spool, in order, until told to stop.

    `stop` is set: no more waiting for the gateway than a first try. `finish` is set: all that
    will be in the spool is there; the thread ends when it is shipped, but for bulk that is to wait.
    """

    def __init__(
        self,
        spool: Spool,
        sender: Sender,
        pacing: Pacing,
        rejected: Rejected,
        clock: Clock,
        metrics: Metrics,
        wait_s: float,
    ) -> None:
        self._spool = spool
        self._sender = sender
        self._pacing = pacing
        self._rejected = rejected
        self._clock = clock
        self._metrics = metrics
        self._wait_s = wait_s
        self._bulk_s = float("-inf")
        self.new = threading.Event()
        self.finish = threading.Event()
        self.stop = threading.Event()

    def run(self) -> None:
        """Ship until the end. The thread's main function."""
        while not self.stop.is_set():
            self.new.clear()
            finishing = self.finish.is_set()
            try:
                busy = self.round()
            except Exception as error:
                self._failed(error)
                continue
            if busy:
                continue
            if finishing:
                break
            self.new.wait(self._wait_s)
        self._sender.close()

    def _failed(self, error: Exception) -> None:
        """What was read and is not acknowledged is read again."""
        if isinstance(error, OSError):
            _log.error("spool cannot be read", extra={"why": str(error)})
        else:
            _log.error("shipping failed; trying again", exc_info=error)
        for lane in (Lane.HOT, Lane.BULK):
            self._spool.rewind(lane)
        self.stop.wait(FAILURE_S)

    def round(self) -> bool:
        """One body of the hot lane, or one try of the bulk lane. False when there is nothing to do
        now. Raises OSError."""
        if entries := self._spool.read(SHIP_BYTES, limits.FRAMES_PER_BODY):
            self._deliver(entries, Lane.HOT)
            return True
        if self._clock.monotonic_s() < self._bulk_s or self._pacing.wait_s() > 0:
            return False
        size = min(SHIP_BYTES, self._pacing.rate or SHIP_BYTES)
        entries = self._spool.read(size, limits.FRAMES_PER_BODY, Lane.BULK)
        if entries and not self._deliver(entries, Lane.BULK):
            self._spool.rewind(Lane.BULK)
        return bool(entries)

    def _deliver(self, entries: list[Entry], lane: Lane) -> bool:
        """True when all are taken or set aside; False when told to stop before, or to wait."""
        try:
            if not self._send(entries, lane):
                return False
        except Refused as refused:
            if len(entries) > 1:
                return all(self._deliver([entry], lane) for entry in entries)
            self._rejected.keep(entries[0], str(refused))
        else:
            self._metrics.add("tailrace_agent_frames_sent_total", len(entries))
        self._spool.ack(entries[-1].note.entry, lane)
        return True

    def _send(self, entries: list[Entry], lane: Lane) -> bool:
        body = [frames.MAGIC, *(entry.frame for entry in entries)]
        while not self.stop.is_set():
            try:
                self._sender.send(body, late=lane is Lane.BULK)
            except Later as later:
                self._metrics.add("tailrace_agent_retries_total")
                if lane is Lane.BULK:  # what is hot does not wait behind it
                    self._bulk_s = self._clock.monotonic_s() + later.wait_s
                    return False
                self.stop.wait(later.wait_s)
            else:
                if lane is Lane.BULK:
                    self._pacing.sent(sum(map(len, body)))
                return True
        return False
