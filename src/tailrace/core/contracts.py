"""What rooms promise each other. Rooms meet only in `app/`, through these."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

import msgspec

from tailrace.core.finding import Finding
from tailrace.core.fleet import Announcement
from tailrace.core.frame import Frame, Header, Lane, Signal
from tailrace.core.ledger import Range, Span


class Receipt(msgspec.Struct, frozen=True):
    """Responsibility has passed on, durably, for `frames` frames of `rows` rows."""

    frames: int
    rows: int


class Sink(Protocol):
    """The contract of guard, queue, ship and store.

    Returning from `accept` means responsibility has passed on, durably. It raises `Busy`
    (nothing was taken) or `Poison` (never will be). It never drops silently. The callee must
    not change the frames and may keep them.
    """

    async def accept(self, frames: Sequence[Frame]) -> Receipt: ...

    async def close(self, deadline_s: float) -> None: ...


class Position(msgspec.Struct, frozen=True, order=True):
    """A place between two records of a queue. Ordered; `Position(0, 0)` is before everything."""

    segment: int
    offset: int


class Delivery(msgspec.Struct, frozen=True):
    """A frame read from a queue and the position after it. `read_rows`: those that the header said
    when it was read, where the frame was made readable since and has another number of them."""

    frame: Frame
    after: Position
    read_rows: int | None = None


class Recorded(msgspec.Struct, frozen=True):
    """A frame that a table holds: the place after it in the queue, and its rows there."""

    after: Position
    rows: int


class Consumer(Protocol):
    """One named reader of a queue. Not shared between tasks.

    `read` waits at most `wait_s` for frames of `lanes`, returns up to `max_bytes` of payload
    before compression (at least one frame if there is any) and moves the read position.
    It skips what is corrupt, and counts it. `commit` makes everything before `position`
    releasable, durably. `rewind` moves the read position back to the committed one.
    `awaited`: whether somebody waits for the commit of what was read; `read` waits for no more
    then.
    """

    async def read(self, max_bytes: int, wait_s: float) -> list[Delivery]: ...

    async def commit(self, position: Position) -> None: ...

    async def rewind(self) -> None: ...

    @property
    def committed(self) -> Position: ...

    @property
    def position(self) -> Position:
        """After the last frame read or skipped: committing it is right when all were handled."""
        ...

    @property
    def awaited(self) -> bool: ...

    async def lag_bytes(self) -> int:
        """Bytes stored in the queue after the committed position."""
        ...


class Queue(Sink, Protocol):
    """A durable, bounded, ordered log with named consumers."""

    def consumer(self, name: str, lanes: frozenset[Lane]) -> Consumer: ...

    async def bury(self, frame: Frame, reason: str) -> None:
        """Keep `frame` among the dead letters, durably."""
        ...


class Taken(msgspec.Struct, frozen=True):
    """What a follower read: `frames` in their order, and how many rows of each tenant were passed
    over before them, since they were not read in time."""

    frames: list[Frame]
    passed: dict[str, int]


class Follower(Protocol):
    """Who watches what comes into a queue. Not shared between tasks.

    It begins at the end, remembers nothing, and holds nothing back: what it does not read in time
    is passed over, the oldest first. `read` waits until there is something, and returns up to
    `max_bytes` of payload before compression (at least one frame if there is any). Once it or
    the queue is closed `read` returns what is left, and then nothing, at once.
    """

    async def read(self, max_bytes: int) -> Taken: ...

    def close(self) -> None: ...


class Feed(Protocol):
    """The frames of a queue as they become durable, for those who only watch.

    `follow` begins with the next frame. `wanted` is asked of each frame, once, in the order of the
    queue and before anything behind the queue can see the frame; it must not block. At most about
    `held_bytes` of stored payload wait to be read.
    `stored` waits until all that is durable now can be read from the store; False when it cannot
    after `timeout_s`.
    """

    def follow(self, wanted: Callable[[Header], bool], held_bytes: int) -> Follower: ...

    async def stored(self, timeout_s: float) -> bool: ...


class Pressure(Protocol):
    """How full what lies behind the door is: 0 empty, 1 no room. Must not block."""

    def pressure(self) -> float: ...


class Room(Protocol):
    """How much room the disks have for what comes in. Must not block."""

    def refused(self, late: bool) -> float:
        """The share of requests that has to wait, 0 to 1. `late`: of those that hold nothing but
        frames of the bulk lane."""
        ...

    def said(self) -> str:
        """What has to wait, in a few words; "" for nothing."""
        ...


class BoundedSink(Sink, Pressure, Protocol):
    """A Sink that says how full it is. `ready`: whether it is likely to take something now. Must
    not block."""

    def ready(self) -> bool: ...


class Registry(Protocol):
    """Who remembers the agents.

    `announce` returns how many of the announcement's losses, from the first on, are kept
    durably. It raises StoreError when nothing could be kept.
    """

    async def announce(self, tenant: str, said: Announcement) -> int: ...


class Witness(Protocol):
    """Who knows what became of frames.

    `known` gives, for each span, the numbers in it of frames that are where this one looks. It
    says nothing of others, and may know of them later. Raises StoreError.
    """

    async def known(self, spans: Sequence[Span]) -> list[list[Range]]: ...


class Away(Protocol):
    """Who remembers frames that were taken and of which, on purpose, nothing was passed on.

    `note` returns when it is kept. Raises StoreError.
    """

    async def note(self, headers: Sequence[Header]) -> None: ...


class StoredRow(msgspec.Struct, frozen=True):
    """One row as a store keeps it, read back: `row` is a JSON object of what it says, `place` the
    table or archive it is of, `taken_ns` when it was taken in (UTC)."""

    place: str
    service: str
    taken_ns: int
    row: bytes


class Stored(Protocol):
    """Who can read rows back, hot and archived.

    `sample` gives at most about `rows` rows of each place, spread over what was taken in since
    `since_ns`, in pieces. Raises StoreError.
    """

    def sample(
        self, tenant: str, since_ns: int, rows: int
    ) -> AsyncIterator[Sequence[StoredRow]]: ...


class Findings(Protocol):
    """Who remembers what the guard found. `note` must not block; it may join what is too much."""

    def note(self, found: Sequence[Finding]) -> None: ...


class Changes(Protocol):
    """Who wants to know that answers of queries may have changed. Must not block."""

    def changed(self, tenant: str, signal: Signal, first_ns: int) -> None:
        """Stored rows at the event time `first_ns` or later were added or taken away (0: any), and
        queries see it already. Said also of what may have been, after a failure."""
        ...

    def archived(self, tenant: str, signal: Signal, first_ns: int) -> None:
        """Rows at the event time `first_ns` or later are in the archive now. `changed` is said too
        where it is the archive that all queries read at that time."""
        ...


HOT_LANES = frozenset({Lane.HOT, Lane.BOTH})
BULK_LANES = frozenset({Lane.BULK, Lane.BOTH})
