"""The door: what every route shares, from a request's bytes to a durable receipt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.requests import Request

from tailrace.core import limits
from tailrace.core.access import principal_of
from tailrace.core.clock import Clock
from tailrace.core.contracts import Sink
from tailrace.core.errors import Busy, InputError, Poison, TailraceError
from tailrace.core.frame import Frame
from tailrace.core.log import get
from tailrace.core.metrics import Metrics
from tailrace.gateway.body import BodyReader
from tailrace.gateway.budget import ByteBudget
from tailrace.gateway.framing import frames_of
from tailrace.gateway.numbering import Identity, Numbering
from tailrace.wire import encoding
from tailrace.wire import snappy as raw_snappy
from tailrace.wire.content import Content

READ_DEADLINE_S = 30.0
# Below these sizes a thread costs more than the work; compressed bytes may grow much.
_INLINE_BYTES = 64 * limits.KIB
_INLINE_COMPRESSED_BYTES = 8 * limits.KIB

_log = get("gateway")
_T = TypeVar("_T")


class Door:
    """Takes bodies, hands frames to `sink`. One for each process and event loop.

    `ready` says whether the process can take logs now; it serves /ready. Metrics are labelled by
    route or reason.
    """

    def __init__(
        self,
        sink: Sink,
        clock: Clock,
        metrics: Metrics,
        *,
        ready: Callable[[], bool] = lambda: True,
        body_compressed_bytes: int = limits.BODY_COMPRESSED_BYTES,
        body_bytes: int = limits.BODY_BYTES,
        bodies_in_flight_bytes: int = limits.BODIES_IN_FLIGHT_BYTES,
        read_deadline_s: float = READ_DEADLINE_S,
    ) -> None:
        self.clock = clock
        self.metrics = metrics
        self.ready = ready
        self.bodies = BodyReader(
            ByteBudget(bodies_in_flight_bytes), body_compressed_bytes, read_deadline_s
        )
        self._sink = sink
        self._body_bytes = body_bytes
        self._numbering = Numbering(clock)
        # Two threads bound the memory of expanded bodies, however many connections there are.
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="gateway")

    def expand(self, request: Request, body: bytes, snappy: bool = False) -> bytes:
        """`body` before its Content-Encoding.

        A raw block of snappy is known where `snappy` says that the protocol may send one; there it
        is what a body is that has no Content-Encoding.
        """
        name = request.headers.get("content-encoding", "").strip().lower()
        if snappy and name in ("", "snappy"):
            return raw_snappy.expand(body, self._body_bytes)
        return encoding.expand(body, name, self._body_bytes)

    async def take(
        self,
        request: Request,
        decode: Callable[[bytes], Iterable[Content]],
        snappy: bool = False,
    ) -> int:
        """Rows of a request's body that are durable now: what most routes do.

        `decode` gets the body as `expand` gives it and may run in a thread. Raises InputError and
        Busy.
        """
        tenant = principal_of(request.scope).tenant
        async with self.bodies.read(request) as body:

            def frames() -> list[Frame]:
                found = decode(self.expand(request, body, snappy))
                return [frame for content in found for frame in self.frames(content, tenant)]

            return await self.submit(await self.work(body, request, frames))

    def frames(
        self,
        content: Content,
        tenant: str,
        identify: Callable[[int], Identity] | None = None,
        compressed: bytes = b"",
    ) -> list[Frame]:
        """Frames of this content, numbered by `identify` or else by this gateway."""
        for reason, count in content.repaired.items():
            self.metrics.add("tailrace_ingest_repaired_total", count, reason)
        own = self._numbering
        return frames_of(
            content,
            tenant,
            self.clock.wall_ns(),
            identify or (lambda index: own.next()),
            compressed,
        )

    async def work(self, body: bytes, request: Request, task: Callable[[], _T]) -> _T:
        """Run `task`, which expands and checks `body`: here when it is small, else in a thread."""
        encoded = request.headers.get("content-encoding", "identity") != "identity"
        if len(body) <= (_INLINE_COMPRESSED_BYTES if encoded else _INLINE_BYTES):
            return _guarded(task)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _guarded, task)

    async def submit(self, frames: Sequence[Frame]) -> int:
        """Rows that are durable now. Raises Busy for anything that another try may mend."""
        if not frames:
            return 0
        try:
            await self._sink.accept(frames)
        except (Busy, InputError):
            raise
        except Poison as error:
            raise InputError(f"cannot be stored: {error}", "poison") from error
        except (TailraceError, OSError) as error:
            _log.error("sink failed", exc_info=error)
            raise Busy("logs cannot be kept just now; try again", 5.0) from error
        rows = sum(frame.header.rows for frame in frames)
        self.metrics.add("tailrace_ingest_rows_total", rows)
        self.metrics.add("tailrace_ingest_bytes_total", sum(f.header.bytes for f in frames))
        return rows

    def close(self) -> None:
        """Let the threads go; call after the server has stopped."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _guarded(task: Callable[[], _T]) -> _T:
    """No input may become a 500: what a decoder did not foresee is refused, and logged."""
    try:
        return task()
    except TailraceError:
        raise
    except Exception as error:
        _log.exception("a decoder failed")
        raise InputError("body is malformed", "malformed") from error
