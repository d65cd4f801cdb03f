"""Rows that come by themselves, or were fetched: in memory until the spool has them.

Feeders (listeners, scrapes, a command's output) put batches in from their own threads; the reading
thread takes them out as any other source. Nothing is dropped here: whoever puts waits for room, and
whoever must answer a sender waits until its batch is durable.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from tailrace.agent.checkpoints import MEMORY_KEY, Mark
from tailrace.agent.inputs import Input
from tailrace.agent.source import Piece, Rows
from tailrace.core import limits
from tailrace.core.frame import Codec
from tailrace.wire.fitting import count


class Feeder(Protocol):
    """Feeds an intake from threads of its own.

    `start` raises ConfigError when the input can never work, such as an address that is taken.
    `stop` returns when nothing more will be put in.
    """

    intake: Intake

    def start(self) -> None: ...

    def stop(self) -> None: ...


@runtime_checkable
class Finite(Protocol):
    """A feeder whose input has an end. `ended` is set when all of it is in the intake."""

    ended: threading.Event


class Batch(Rows, frozen=True):
    """Rows that fit a frame, each ending with a newline unless the codec says otherwise.

    `mark`: after these rows, for an input whose place is remembered.
    """

    data: bytes
    mark: Mark = Mark("")


class Ticket:
    """A batch's way to the spool."""

    def __init__(self) -> None:
        self._durable = threading.Event()

    def done(self) -> None:
        self._durable.set()

    def wait(self, timeout_s: float) -> bool:
        """True when the batch is durable; False after `timeout_s`, when it may still become so."""
        return self._durable.wait(timeout_s)


class Intake:
    """A bounded queue of batches that is a Source. `put` from any thread, the rest from one.

    `wake` is called when there is something to read at once. `mark` is where an input with a key
    of its own left off.
    """

    def __init__(
        self,
        source: Input,
        name: str,
        wake: Callable[[], None] = lambda: None,
        limit_bytes: int = limits.INTAKE_BYTES,
        key: str = "",
        mark: Mark | None = None,
        flush_interval_s: float = 0.5,
    ) -> None:
        self.input = source
        self.key = key or f"{MEMORY_KEY}{name}"
        self._mark = mark or Mark(name)
        self._wake = wake
        self._limit_bytes = limit_bytes
        self._flush_interval_s = flush_interval_s
        self._room = threading.Condition()
        self._waiting: deque[tuple[Batch, Ticket]] = deque()
        self._taken: deque[list[tuple[Batch, Ticket]]] = deque()  # a list for each piece
        self._held_bytes = 0
        self._taken_s = float("-inf")
        self._urgent = False
        self._closed = False

    @property
    def mark(self) -> Mark:
        return self._mark

    @property
    def held_bytes(self) -> int:
        """Bytes that wait for the spool."""
        return self._held_bytes

    def put(self, batch: Batch, wait_s: float | None = None, urgent: bool = False) -> Ticket | None:
        """Wait for room, as long as it takes or `wait_s`; None when there was none.

        A batch larger than all room is taken when nothing else is held. `urgent`: somebody waits
        for its ticket.
        """
        ticket = Ticket()
        size = len(batch.data)

        def fits() -> bool:
            room = self._limit_bytes - self._held_bytes
            return self._closed or size <= room or not self._held_bytes

        with self._room:
            if not self._room.wait_for(fits, wait_s) or self._closed:
                return None
            self._waiting.append((batch, ticket))
            self._held_bytes += size
            self._urgent |= urgent
        if urgent or self._held_bytes > self._limit_bytes // 2:
            self._wake()
        return ticket

    def begin(self, now_s: float) -> bool:
        return False

    def read(self, size: int, now_s: float, hurry: bool = False) -> Piece | None:
        """The next batches of one kind, joined. See Source."""
        with self._room:
            if not self._waiting:
                return None
            early = now_s - self._taken_s < self._flush_interval_s
            full = self._held_bytes > self._limit_bytes // 2
            if early and not (hurry or full or self._urgent):
                return None
            joined = self._join(size)
            self._taken.append(joined)
            self._urgent &= bool(self._waiting)
            if not self._waiting:
                self._taken_s = now_s
        return _piece([batch for batch, _ in joined])

    def _join(self, size: int) -> list[tuple[Batch, Ticket]]:
        joined = [self._waiting.popleft()]
        first = joined[0][0]
        total, rows = len(first.data), first.rows
        while self._waiting and first.codec is not Codec.OTLP:
            batch = self._waiting[0][0]
            total += len(batch.data)
            rows += batch.rows
            if total > size or rows > limits.FRAME_ROWS or _kind(batch) != _kind(first):
                break
            joined.append(self._waiting.popleft())
        return joined

    def commit(self, after: Mark) -> None:
        """The spool has the piece that was read first of those not committed."""
        with self._room:
            for batch, ticket in self._taken.popleft():
                self._held_bytes -= len(batch.data)
                ticket.done()
            self._mark = after
            self._room.notify_all()

    def reset(self) -> None:
        with self._room:
            for group in reversed(self._taken):
                self._waiting.extendleft(reversed(group))
            self._taken.clear()

    def drained(self, wait_s: float) -> bool:
        """Wait until the spool has all that was put; False when it has not after `wait_s`."""
        with self._room:
            self._urgent = bool(self._waiting)
            self._wake()
            return self._room.wait_for(lambda: not (self._waiting or self._taken), wait_s)

    def close(self) -> None:
        """Whoever waits for room is told that there will be none."""
        with self._room:
            self._closed = True
            self._room.notify_all()


def _kind(batch: Batch) -> tuple[object, ...]:
    resource = tuple(sorted(batch.resource.items()))
    return (batch.codec, batch.signal, batch.hints, batch.checked, resource)


def _piece(joined: list[Batch]) -> Piece:
    first = joined[0]
    repaired: dict[str, int] = {}
    dropped: dict[str, int] = {}
    for batch in joined:
        for counts, more in ((repaired, batch.repaired), (dropped, batch.dropped)):
            for reason, number in more.items():
                count(counts, reason, number)
    return Piece(
        first.data if len(joined) == 1 else b"".join(batch.data for batch in joined),
        sum(batch.rows for batch in joined),
        first.codec,
        first.signal,
        first.hints,
        first.checked,
        first.resource,
        repaired,
        dropped,
        after=joined[-1].mark,
    )
