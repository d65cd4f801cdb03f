"""Where people and programs deal with dead letters: look, replay, drop.

A replayed frame goes into the queue as it is, under its number, and its letter is gone once that is
durable. A crash in between leaves both: the frame that is replayed again is known by its number and
left out. One that cannot be read again is buried again, in the place of its letter. A dropped
letter is in the record of deletions before it goes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import msgspec

from tailrace.core import limits
from tailrace.core.clock import Clock
from tailrace.core.contracts import Position
from tailrace.core.deletion import Deletion, Deletions, Place, Reason
from tailrace.core.errors import Busy, Poison
from tailrace.core.frame import Frame
from tailrace.core.log import get
from tailrace.core.metrics import Metrics
from tailrace.queue.dead import gone
from tailrace.queue.gone import Gone, Why
from tailrace.queue.letter import Kept, Letter, id_text
from tailrace.queue.log import SegmentLog

_log = get("queue")
_START = Position(0, 0)
# Frames that are given to the queue together, as stored.
_TOGETHER_BYTES = 4 * limits.MIB


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which letters: of `tenant`, and with `nobodys` those of which nobody knows whose they are.

    `ids`: these, where it is not None. `reason` is how the reason begins, `source` the whole name;
    "" for any. Buried at `since_ns` or later. Behind `after`, up to `last` where that is not None.
    """

    tenant: str
    nobodys: bool = False
    ids: frozenset[Position] | None = None
    reason: str = ""
    source: str = ""
    since_ns: int = 0
    after: Position = _START
    last: Position | None = None

    def has(self, one: Kept) -> bool:
        """Whether it is one of them."""
        return (
            (one.tenant == self.tenant or (self.nobodys and not one.tenant))
            and (self.ids is None or one.id in self.ids)
            and one.reason.startswith(self.reason)
            and (not self.source or one.source == self.source)
            and one.buried_ns >= self.since_ns
            and one.id > self.after
            and (self.last is None or one.id <= self.last)
        )


class Chosen(msgspec.Struct, frozen=True):
    """Letters in the order they were buried, at most as many as were asked for; how many there are
    in all, with their rows and bytes on disk. `more`: behind the last of `letters` are others, up
    to `newest`."""

    letters: list[Kept]
    count: int
    rows: int
    stored_bytes: int
    more: bool
    newest: Position


class Done(msgspec.Struct):
    """What was replayed or dropped. `failed`: letters that stay, with the reason. `upto`: the last
    that was looked at; `more`: others that are wanted are behind it, up to `last`. `busy`: why it
    ended early, and what then to wait, in seconds."""

    count: int = 0
    rows: int = 0
    stored_bytes: int = 0
    failed: list[tuple[Position, str]] = []
    upto: Position = _START
    last: Position = _START
    more: bool = False
    busy: str = ""
    retry_after_s: float = 0.0


class Desk:
    """Of one queue, on its event loop. Changes wait for each other."""

    def __init__(
        self, log: SegmentLog, deletions: Deletions, clock: Clock, metrics: Metrics
    ) -> None:
        self._log = log
        self._dead = log.dead
        self._deletions = deletions
        self._clock = clock
        self._metrics = metrics
        self._changing = asyncio.Lock()

    def measure(self) -> None:
        """Set the metrics of what is there."""
        self._metrics.set("tailrace_dead_letters_kept", len(self._dead))
        self._metrics.set("tailrace_dead_letter_bytes", self._dead.live_bytes)

    async def choose(self, wanted: Wanted, most: int) -> Chosen:
        """What is wanted of all that is there."""
        return await asyncio.to_thread(self._chosen, wanted, most)

    async def read(self, one: Kept) -> tuple[Letter, bytes]:
        """See DeadLetters.read. Raises Busy, OSError."""
        return await self._log.work(self._dead.read, one)

    async def replay(self, wanted: Wanted) -> Done:
        """Put frames into the queue again, at most `DEAD_LETTERS_AT_ONCE` and `REPLAY_BYTES` of
        them. Raises Busy when nothing could be done, OSError."""
        async with self._changing:
            chosen = await self.choose(wanted, limits.DEAD_LETTERS_AT_ONCE)
            done = _begun(wanted, chosen)
            for together in _groups(chosen.letters):
                if done.stored_bytes >= limits.REPLAY_BYTES:
                    break
                try:
                    await self._replay(together, done)
                except Busy as error:
                    if not done.count:
                        raise
                    done.busy, done.retry_after_s = str(error), error.retry_after_s
                    break
            done.more = chosen.more or bool(chosen.letters and done.upto < chosen.letters[-1].id)
        return done

    async def _replay(self, together: Sequence[Kept], done: Done) -> None:
        frames: list[Frame] = []
        taken: list[Kept] = []
        for one in together:
            letter, payload = await self.read(one)
            if letter.header is None:
                done.failed.append((one.id, "no frame can be made of it"))
                continue
            frames.append(Frame(letter.header, payload))
            taken.append(one)
        for number in await self._accept(frames, taken, done):
            del taken[number]
        await self._remove(taken, Why.REPLAYED, done)
        done.upto = together[-1].id

    async def _accept(
        self, frames: Sequence[Frame], taken: Sequence[Kept], done: Done
    ) -> Sequence[int]:
        """Places of those that the queue never takes, the last first. Raises Busy."""
        try:
            await self._log.accept(frames)
        except Poison:
            never: list[int] = []
            for number, frame in enumerate(frames):
                try:
                    await self._log.accept([frame])
                except Poison as error:
                    done.failed.append((taken[number].id, str(error)))
                    never.insert(0, number)
            return never
        return ()

    async def drop(self, wanted: Wanted) -> Done:
        """Delete letters for good, at most `DEAD_LETTERS_AT_ONCE`. Raises StoreError and Busy; then
        none may be gone."""
        async with self._changing:
            chosen = await self.choose(wanted, limits.DEAD_LETTERS_AT_ONCE)
            done = _begun(wanted, chosen)
            await self._deletions.note([_deletion(one) for one in chosen.letters])
            await self._remove(chosen.letters, Why.DROPPED, done)
            done.upto = chosen.letters[-1].id if chosen.letters else wanted.after
            done.more = chosen.more
        return done

    async def _remove(self, letters: Sequence[Kept], why: Why, done: Done) -> None:
        now_ns = self._clock.wall_ns()
        notes: list[Gone] = [gone(one, why, now_ns) for one in letters]
        await self._log.work(self._dead.remove, notes)
        done.count += len(letters)
        done.rows += sum(one.rows for one in letters)
        done.stored_bytes += sum(one.stored_bytes for one in letters)
        if letters:
            self._metrics.add("tailrace_dead_letters_gone_total", len(letters), why.value)
            _log.info("dead letters are gone", extra={"why": why.value, "count": len(letters)})

    def _chosen(self, wanted: Wanted, most: int) -> Chosen:
        found = [one for one in self._dead.kept() if wanted.has(one)]
        return Chosen(
            found[:most],
            len(found),
            sum(one.rows for one in found),
            sum(one.stored_bytes for one in found),
            len(found) > most,
            found[-1].id if found else wanted.after,
        )


def _begun(wanted: Wanted, chosen: Chosen) -> Done:
    """Nothing done; what is buried from now on is not wanted in what is asked after it."""
    newest = chosen.newest if wanted.last is None else wanted.last
    return Done(upto=wanted.after, last=newest)


def _groups(letters: Sequence[Kept]) -> Iterator[Sequence[Kept]]:
    """In order, those together that are small together."""
    start = size = 0
    for number, one in enumerate(letters):
        if number > start and size + one.stored_bytes > _TOGETHER_BYTES:
            yield letters[start:number]
            start, size = number, 0
        size += one.stored_bytes
    if letters:
        yield letters[start:]


def _deletion(one: Kept) -> Deletion:
    name = id_text(one.id)
    return Deletion(
        id=f"dead_letters/{name}/{one.buried_ns}",
        tenant=one.tenant,
        place=Place.DEAD_LETTERS,
        reason=Reason.DROPPED,
        # What comes after the kind may be words of the row.
        subject=f"dead letter {name} ({one.reason.partition(': ')[0]})",
        rows=one.rows,
        bytes=one.stored_bytes,
        signal=one.signal.value if one.tenant else "",
        service=one.service,
        first_ns=one.first_ns,
        last_ns=one.last_ns,
    )
