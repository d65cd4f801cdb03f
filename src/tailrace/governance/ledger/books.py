"""The books: what came into the queue is kept each minute, and added up with what became of it.

What came is counted in memory (tally.py) and kept with the place in the queue up to which it is
counted, in one insert. What a crash takes from memory is counted again from the queue, whose
segments are held for it: the consumer `ledger` commits what is kept and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

from tailrace.core import limits, log
from tailrace.core.clock import Clock
from tailrace.core.contracts import Consumer, Position
from tailrace.core.errors import Busy, StoreError
from tailrace.core.fleet import Announcement
from tailrace.core.frame import Lane
from tailrace.core.ledger import Counted, CountKey, Saying
from tailrace.governance.ledger.tally import RECEIVED, Tally
from tailrace.governance.ledger.words import Whose, Words

_log = log.get("governance")
NAME = "ledger"
TURN_S = 60.0
FRESH_S = 1.0
READ_BYTES = 8 * limits.MIB
# Deleting rewrites what stays: so it waits until there is something to delete.
TIDY_TURNS = 30


class Table(Protocol):
    """Where the books are kept; see store.ledger.LedgerTable for the promises."""

    async def covered(self) -> Position | None: ...

    async def begin(self, at: Position, now_ns: int) -> None: ...

    async def heard(self, now_ns: int) -> tuple[dict[Whose, int], int]: ...

    async def keep(self, counts: Mapping[CountKey, Counted], upto: Position) -> None: ...

    async def balance(self, handled: Position, today: date) -> Position: ...

    async def tidy(self, upto: Position) -> None: ...

    async def expire(self, before: date) -> None: ...

    async def say(self, found: Sequence[Saying]) -> None: ...


class Queue(Protocol):
    """What the books ask of the queue."""

    @property
    def end(self) -> Position:
        """Behind all that is durable."""
        ...

    @property
    def closed(self) -> bool: ...

    def consumer(self, name: str, lanes: frozenset[Lane]) -> Consumer: ...

    def committed(self, name: str) -> Position: ...

    async def commit(self, name: str, position: Position) -> None: ...


class Books:
    """`open` before anything comes into the queue; then `run`, or `turn` by turn."""

    def __init__(
        self,
        table: Table,
        queue: Queue,
        tally: Tally,
        clock: Clock,
        forget: Callable[[date], Awaitable[int]],
    ) -> None:
        """`forget`: frames that were added up until a day are known by their numbers from now
        on."""
        self._table = table
        self._queue = queue
        self._tally = tally
        self._clock = clock
        self._forget = forget
        self._turning = asyncio.Lock()
        self._turned_s = float("-inf")
        # Up to which place of the queue all is added up.
        self.balanced = Position(0, 0)
        self._turns = 0
        # Counts of which it is not known whether they were kept, and up to where.
        self._doubtful: tuple[dict[CountKey, Counted], Position] | None = None
        self._words = Words()
        self._said: dict[tuple[str, str, str, int, int], Saying] = {}

    async def open(self) -> None:
        """Begin the books, if there are none. Raises StoreError."""
        now_ns = self._clock.wall_ns()
        if await self._table.covered() is None:
            await self._table.begin(self._queue.end, now_ns)
        self._words.load(*await self._table.heard(now_ns))

    def hear(self, tenant: str, said: Announcement) -> None:
        """What an agent says of what it sent and left out; the latest of a minute counts."""
        for one in self._words.of(tenant, said, self._clock.wall_ns()):
            self._said[one[:5]] = one

    async def run(self, turned: Callable[[], Awaitable[None]]) -> None:
        """A turn each minute, or sooner where much is counted, until cancelled; `turned` is called
        after each."""
        failing = False
        while True:
            try:
                await self.turn()
                await turned()
                failing = False
            except (StoreError, Busy, OSError) as error:
                if not failing:
                    _log.error("the ledger cannot be written; trying again: %s", error)
                failing = True
                await asyncio.sleep(1.0)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TURN_S):
                    await self._tally.full.wait()

    async def freshen(self) -> None:
        """A turn, unless one has just been, so that who asks sees what has just come."""
        if self._clock.monotonic_s() - self._turned_s >= FRESH_S:
            await self.turn()

    async def turn(self) -> None:
        """Keep what came, add up what was handled. Raises StoreError, Busy and OSError; what was
        not done is done in the next turn."""
        async with self._turning:
            await self._turn()
            self._turned_s = self._clock.monotonic_s()

    def came(self, tenant: str) -> Mapping[str, Counted]:
        """What came and is not kept yet, by source: frames and rows."""
        return self._tally.received(tenant)

    def handled(self) -> Position:
        """Up to which place of the queue all is stored and archived."""
        return min(self._queue.committed(name) for name in ("writer", "archiver"))

    async def _turn(self) -> None:
        await self._settle_doubt()
        if not self._tally.following:
            await self._read()
        await self._keep()
        self._said, said = {}, self._said
        try:
            await self._table.say(list(said.values()))
        except StoreError:
            self._said = said | self._said
            raise
        handled, today = self.handled(), self._today()
        while self.balanced < (upto := await self._table.balance(handled, today)):
            self.balanced = upto
        self._turns += 1
        if self._turns % TIDY_TURNS == 0:
            await self._table.tidy(self.balanced)
            await self._forget(today - timedelta(days=limits.FRAMES_KEPT_DAYS))
            await self._table.expire(today - timedelta(days=limits.LEDGER_DAYS))

    async def _settle_doubt(self) -> None:
        if self._doubtful is not None:
            counts, upto = self._doubtful
            covered = await self._table.covered()
            self._doubtful = None
            if covered is None or covered < upto:
                self._tally.give_back(counts)

    async def _keep(self, upto: Position | None = None) -> None:
        """`upto`: the place that is counted; the queue's end while the tally follows it."""
        counts, upto = self._tally.take(), upto or self._queue.end
        if not any(key.kind == RECEIVED for key in counts):
            # At the place of before they would be taken for what is added up already.
            self._tally.give_back(counts)
            return
        self._doubtful = (counts, upto)
        await self._table.keep(counts, upto)
        self._doubtful = None
        await self._queue.commit(NAME, upto)

    async def _read(self) -> None:
        """Count what came since the last place that is kept, until the tally can follow."""
        self._tally.forget()
        covered = await self._table.covered()
        assert covered is not None, "open first"
        await self._queue.commit(NAME, covered)
        consumer = self._queue.consumer(NAME, frozenset(Lane))
        while consumer.position < self._queue.end:
            before = consumer.position
            for delivery in await consumer.read(READ_BYTES, 0.0):
                self._tally.add(delivery.frame.header)
            if self._queue.closed:
                raise Busy("the queue is closed")
            if consumer.position == before:
                raise StoreError("the queue cannot be read to its end")
            if self._tally.full.is_set():
                await self._keep(consumer.position)
        # Nothing may come between the look at the end and this.
        self._tally.following = True

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock.wall_ns() / 1e9, UTC).date()
