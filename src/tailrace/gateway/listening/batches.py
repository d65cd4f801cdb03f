"""Messages of senders that wait for no answer: gathered, decoded in a thread, handed to the sink.

A batch is BATCH_BYTES or what came in BATCH_S. While the sink is busy a batch is offered again and
again; what is held meanwhile is bounded, and who reads the sockets must stop while it is `full`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from tailrace.core import limits
from tailrace.core.errors import Busy, InputError
from tailrace.core.frame import Frame
from tailrace.core.log import get
from tailrace.gateway.door import Door
from tailrace.wire.content import Content

BATCH_BYTES = limits.MIB
BATCH_S = 0.2
# Batches that wait for their sync at the same time: the next are decoded meanwhile.
_IN_FLIGHT = 4
_LONGEST_WAIT_S = 5.0

Decode = Callable[[Sequence[bytes], int, str], Content]

_log = get("gateway")


class Batches:
    """Takes messages to `door` as `tenant`. One event loop.

    `decode` gets the messages of one sender, the time in nanoseconds and the sender's address; it
    runs in a thread. `resume` is called when there is room again after it was full. `kind` labels
    what is lost.
    """

    def __init__(
        self,
        door: Door,
        tenant: str,
        decode: Decode,
        kind: str,
        resume: Callable[[], None],
        limit_bytes: int = limits.MESSAGES_WAITING_BYTES,
    ) -> None:
        self._door = door
        self._tenant = tenant
        self._decode = decode
        self._kind = kind
        self._resume = resume
        self._limit_bytes = limit_bytes
        self._waiting: deque[tuple[str, list[bytes], int]] = deque()
        self._waiting_bytes = 0
        self._held = 0
        self._held_bytes = 0
        self._paused = False
        self._some = asyncio.Event()
        self._enough = asyncio.Event()
        self._closing = False
        self._places = asyncio.Semaphore(_IN_FLIGHT)
        self._offers: set[asyncio.Task[None]] = set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gateway-batches")
        self._run: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Call within the loop."""
        self._run = asyncio.create_task(self._gather())

    @property
    def full(self) -> bool:
        """Whether no more may be read; `resume` says when it may."""
        if self._held_bytes >= self._limit_bytes:
            self._paused = True
        return self._paused

    def add(self, peer: str, messages: list[bytes]) -> None:
        """Take messages of one sender; the callee keeps the list."""
        size = sum(map(len, messages)) + 64 * len(messages)
        self._waiting.append((peer, messages, size))
        self._waiting_bytes += size
        self._held += len(messages)
        self._held_bytes += size
        self._some.set()
        if self._waiting_bytes >= BATCH_BYTES:
            self._enough.set()

    async def close(self, deadline_s: float) -> None:
        """Hand over what is held, for at most `deadline_s`; the rest is lost and counted."""
        if self._closing:
            return
        self._closing = True
        self._some.set()
        self._enough.set()
        if self._run:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(deadline_s):
                    await asyncio.shield(self._run)
                    await asyncio.gather(*self._offers)
            ended = [self._run, *self._offers]
            for task in ended:
                task.cancel()
            await asyncio.gather(*ended, return_exceptions=True)
            self._lost(self._held, "stopped")
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _gather(self) -> None:
        while self._waiting or not self._closing:
            await self._some.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BATCH_S):
                    await self._enough.wait()
            if not self._waiting:
                continue
            await self._places.acquire()
            by_peer, number, size = self._take()
            try:
                frames = await self._decoded(by_peer)
            except Exception as error:
                # No message may stop the others.
                _log.error("messages cannot be decoded", exc_info=error)
                self._lost(number, "malformed")
                frames = []
            offer = asyncio.create_task(self._offer(frames, number, size))
            self._offers.add(offer)
            offer.add_done_callback(self._offers.discard)

    def _take(self) -> tuple[dict[str, list[bytes]], int, int]:
        """The messages of one batch by sender, how many they are, and what they are held for."""
        found: dict[str, list[bytes]] = {}
        number = total = 0
        while self._waiting and total < BATCH_BYTES:
            peer, messages, size = self._waiting.popleft()
            found.setdefault(peer, []).extend(messages)
            number += len(messages)
            total += size
        self._waiting_bytes -= total
        if not self._closing:
            if not self._waiting:
                self._some.clear()
            if self._waiting_bytes < BATCH_BYTES:
                self._enough.clear()
        return found, number, total

    async def _decoded(self, by_peer: Mapping[str, Sequence[bytes]]) -> list[Frame]:
        now_ns = self._door.clock.wall_ns()

        def frames() -> list[Frame]:
            found = [self._decode(messages, now_ns, peer) for peer, messages in by_peer.items()]
            return [
                frame
                for content in _joined(found)
                for frame in self._door.frames(content, self._tenant)
            ]

        return await asyncio.get_running_loop().run_in_executor(self._thread, frames)

    async def _offer(self, frames: list[Frame], number: int, size: int) -> None:
        try:
            await self._submit(frames)
        except InputError as error:
            _log.error("messages cannot be kept", extra={"why": error.reason})
            self._lost(number, "poison")
        except Exception as error:
            _log.error("messages cannot be handed over", exc_info=error)
            self._lost(number, "malformed")
        self._held -= number
        self._held_bytes -= size
        self._places.release()
        if self._paused and self._held_bytes <= self._limit_bytes // 2:
            self._paused = False
            self._resume()

    async def _submit(self, frames: list[Frame]) -> None:
        """Until the sink takes them; they keep their numbers, so none is stored twice."""
        while True:
            self._door.metrics.add("tailrace_ingest_requests_total", 1, self._kind)
            try:
                await self._door.submit(frames)
            except Busy as error:
                self._door.metrics.add("tailrace_ingest_rejected_total", 1, "busy")
                await asyncio.sleep(min(max(error.retry_after_s, 0.05), _LONGEST_WAIT_S))
            else:
                return

    def _lost(self, number: int, reason: str) -> None:
        if number:
            self._door.metrics.add("tailrace_ingest_dropped_total", number, reason)
            _log.error("messages were lost", extra={"messages": number, "why": reason})


def _joined(found: Sequence[Content]) -> list[Content]:
    """One content of the same kind of many small ones; none when there is no row."""
    rows = sum(content.rows for content in found)
    repaired: dict[str, int] = {}
    for content in found:
        for reason, number in content.repaired.items():
            repaired[reason] = repaired.get(reason, 0) + number
    if not rows:
        return []
    data = found[0].data if len(found) == 1 else b"".join(content.data for content in found)
    return [Content(found[0].codec, data, rows, repaired=repaired)]
