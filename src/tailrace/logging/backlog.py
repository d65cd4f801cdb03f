"""Records that wait for the gateway: bounded, in order, for one taker."""

from __future__ import annotations

import threading
import time
from collections import deque

from tailrace.core import limits


class Backlog:
    """Lines from any thread to one. What was taken counts until it is settled.

    A line may be put while the same thread is putting another one (a signal's handler, a
    finaliser), so the lock can be taken again by its owner.
    """

    def __init__(self, max_records: int, max_bytes: int) -> None:
        self.lock = threading.RLock()
        self._changed = threading.Condition(self.lock)
        self._lines: deque[bytes] = deque()
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._records = 0
        self._bytes = 0
        self._queued_bytes = 0
        self._settled = 0
        self._nudges = 0
        self._wanted = 0
        self.dropped = 0
        self.reported = 0
        self.stopping = False

    def put(self, line: bytes, block_s: float = 0.0) -> bool:
        """False when there was no room, also after `block_s`: the line is dropped and counted."""
        size = len(line)
        with self.lock:
            if size > limits.LINE_BYTES or not (self._fits(size) or self._await(size, block_s)):
                self.dropped += 1
                return False
            self._lines.append(line)
            self._records += 1
            self._bytes += size
            before, self._queued_bytes = self._queued_bytes, self._queued_bytes + size
            full = before < limits.APP_BATCH_BYTES <= self._queued_bytes
            if full or len(self._lines) == 1:
                self._changed.notify_all()
            return True

    def _fits(self, size: int) -> bool:
        return self._records < self._max_records and self._bytes + size <= self._max_bytes

    def _await(self, size: int, block_s: float) -> bool:
        if block_s <= 0:
            return False
        self._hurry()
        return self._changed.wait_for(lambda: self._fits(size), block_s)

    def _hurry(self) -> int:
        """Have what is here sent without waiting for company. What `_settled` will be then."""
        self._wanted = self._settled + self._records
        self._changed.notify_all()
        return self._wanted

    def ready(self, linger_s: float) -> bool:
        """Wait for a line or an unreported loss, then up to `linger_s` for a whole batch.

        False when told to stop.
        """
        with self.lock:
            self._changed.wait_for(lambda: self.stopping or self.waiting)
            self._changed.wait_for(
                lambda: (
                    self.stopping
                    or self._settled < self._wanted
                    or self._queued_bytes >= limits.APP_BATCH_BYTES
                ),
                linger_s,
            )
            return not self.stopping

    @property
    def waiting(self) -> bool:
        """Whether there is something to send that was not taken yet."""
        return bool(self._lines) or self.dropped > self.reported

    def take(self) -> list[bytes]:
        """The oldest lines, about one batch of them; maybe none."""
        taken: list[bytes] = []
        size = 0
        with self.lock:
            while self._lines and size + len(self._lines[0]) <= limits.APP_BATCH_BYTES:
                line = self._lines.popleft()
                size += len(line)
                taken.append(line)
            self._queued_bytes -= size
        return taken

    def settle(self, lines: list[bytes], refused: bool = False) -> None:
        """These lines are stored, or `refused` and counted as dropped."""
        with self.lock:
            self._records -= len(lines)
            self._bytes -= sum(map(len, lines))
            self._settled += len(lines)
            if refused:
                self.dropped += len(lines)
            self._changed.notify_all()

    def pause(self, wait_s: float) -> bool:
        """Wait between two tries; less long when somebody waits anew. False when told to stop."""
        with self.lock:
            before = self._nudges
            self._changed.wait_for(lambda: self.stopping or self._nudges != before, wait_s)
            return not self.stopping

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was put before is settled. False when that took too long."""
        deadline_s = time.monotonic() + min(timeout_s, threading.TIMEOUT_MAX)
        with self.lock:
            self._nudges += 1
            target = self._hurry()
            return self._changed.wait_for(
                lambda: self._settled >= target, max(0.0, deadline_s - time.monotonic())
            )

    def stop(self) -> None:
        """Tell the taker to end; what is here stays."""
        with self.lock:
            self.stopping = True
            self._changed.notify_all()

    @property
    def held(self) -> int:
        """Records that are not settled."""
        return self._records

    def lose(self) -> None:
        """Count a record that never became a line."""
        with self.lock:
            self.dropped += 1
