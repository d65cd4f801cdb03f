"""A sink that passes frames on to the gateways of another process.

It keeps nothing: `accept` returns when a gateway has answered that the frames are durable, so what
is lost with this process is what no sender was told to be kept. A frame that is sent again, here or
by its sender, has its number, by which the writer knows it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from tailrace.core import fleet, limits
from tailrace.core.clock import Clock
from tailrace.core.contracts import Receipt
from tailrace.core.errors import Busy, Poison, StoreError
from tailrace.core.fleet import Announcement, Confirmed
from tailrace.core.frame import Frame, Lane
from tailrace.ship.connection import Answer
from tailrace.ship.sender import FRAMES, PATH, Later, Refused, Sender
from tailrace.wire import frames as form

# Bodies on their way at the same time: each holds a thread and a connection.
SENDERS = 8
# Less than a sender waits for its own answer, so that it hears "later" rather than nothing.
DEADLINE_S = 20.0


class Upstream:
    """A Sink and a Registry over several senders, one body each at a time. One event loop.

    Announcements have a sender of their own: a gateway that does not know them still takes frames.
    """

    def __init__(
        self,
        senders: Sequence[Sender],
        announcing: Sender,
        clock: Clock,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._clock = clock
        self._deadline_s = deadline_s
        self._senders = list(senders)
        self._free = _filled(senders)
        self._announcing = _filled([announcing])
        self._threads = ThreadPoolExecutor(len(senders) + 1, thread_name_prefix="upstream")
        self._stop = threading.Event()

    def ready(self) -> bool:
        """Whether some gateway may be asked now."""
        return any(sender.open for sender in self._senders)

    def pressure(self) -> float:
        """See core.contracts.Pressure: all or nothing, for it holds nothing."""
        return 0.0 if self.ready() else 1.0

    async def accept(self, frames: Sequence[Frame]) -> Receipt:
        """See core.contracts.Sink. Frames beyond one body's bounds go in several, in order."""
        late = all(frame.header.lane is Lane.BULK for frame in frames)
        for body in _bodies(frames):
            try:
                await self._send(self._free, PATH, FRAMES, body, late)
            except Refused as refused:
                raise Poison(f"the gateway further up refuses it: {refused}") from None
        return Receipt(len(frames), sum(frame.header.rows for frame in frames))

    async def announce(self, tenant: str, said: Announcement) -> int:
        """See core.contracts.Registry."""
        headers = {"Content-Type": "application/json", fleet.TENANT_HEADER: tenant}
        try:
            answer = await self._send(
                self._announcing, fleet.PATH, headers, msgspec.json.encode(said)
            )
            return msgspec.json.decode(answer.body, type=Confirmed).confirmed_losses
        except (Refused, Busy, msgspec.MsgspecError) as error:
            raise StoreError(f"the gateway further up did not keep it: {error}") from None

    async def _send(
        self,
        free: asyncio.Queue[Sender],
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        late: bool = False,
    ) -> Answer:
        """The answer of a gateway that took it. Raises Busy when none did in time, Refused."""
        end_s = self._clock.monotonic_s() + self._deadline_s
        try:
            sender = await asyncio.wait_for(free.get(), self._deadline_s)
        except TimeoutError:
            raise Busy("all ways to the gateways further up are taken; try again") from None
        loop = asyncio.get_running_loop()
        running = self._threads.submit(self._until, sender, path, headers, body, late, end_s)
        # Whoever waits may leave: the sender is free when its thread is.
        running.add_done_callback(lambda _: loop.call_soon_threadsafe(free.put_nowait, sender))
        return await asyncio.wrap_future(running)

    def _until(
        self,
        sender: Sender,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        late: bool,
        end_s: float,
    ) -> Answer:
        while True:
            try:
                return sender.send([body], path, headers, late)
            except Later as later:
                left_s = end_s - self._clock.monotonic_s()
                if later.wait_s >= left_s or self._stop.is_set():
                    message = "no gateway further up takes it just now; try again"
                    raise Busy(message, max(1.0, later.wait_s)) from None
                self._stop.wait(later.wait_s)

    async def close(self, deadline_s: float) -> None:
        """What is on its way has until then; the connections are dropped after it."""
        self._stop.set()
        try:
            async with asyncio.timeout(deadline_s):
                for free in (self._announcing, *(self._free for _ in self._senders)):
                    (await free.get()).close()
        except TimeoutError:
            pass  # a thread that waits for an answer ends with it
        self._threads.shutdown(wait=False, cancel_futures=True)


def _filled(senders: Sequence[Sender]) -> asyncio.Queue[Sender]:
    free: asyncio.Queue[Sender] = asyncio.Queue()
    for sender in senders:
        free.put_nowait(sender)
    return free


def _bodies(frames: Sequence[Frame]) -> Iterator[bytes]:
    some: list[Frame] = []
    size = 0
    for frame in frames:
        coming = len(frame.payload) + limits.HEADER_BYTES
        full = size + coming > limits.BODY_COMPRESSED_BYTES or len(some) >= limits.FRAMES_PER_BODY
        if some and full:
            yield form.encode(some)
            some, size = [], 0
        some.append(frame)
        size += coming
    if some:
        yield form.encode(some)
