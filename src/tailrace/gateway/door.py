"""The door: what every route shares, from a request's bytes to a durable receipt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

import msgspec
from starlette.requests import Request

from tailrace.core import limits
from tailrace.core.access import principal_of
from tailrace.core.budget import ByteBudget
from tailrace.core.clock import Clock
from tailrace.core.contracts import Sink
from tailrace.core.errors import Busy, InputError, Poison, TailraceError, TooLarge
from tailrace.core.frame import Frame
from tailrace.core.log import get
from tailrace.core.metrics import Metrics
from tailrace.core.work import Work
from tailrace.gateway.admission.admission import Admission
from tailrace.gateway.admission.load import Load
from tailrace.gateway.body import BodyReader
from tailrace.gateway.framing import frames_of
from tailrace.gateway.numbering import Identity, Numbering
from tailrace.wire import snappy
from tailrace.wire.content import Content
from tailrace.wire.encoding import expand

# No name that a header can have.
_BLOCK = "block of snappy"

_log = get("gateway")
_T = TypeVar("_T")


class Delivered(msgspec.Struct, frozen=True):
    """Rows that are durable now, and how many of them went the bulk lane, being over a limit."""

    rows: int
    diverted: int


class Door:
    """Takes bodies, hands frames to `sink`. One for each process and event loop.

    `ready` says whether the process can take logs now, `said` what has to wait, "" for nothing:
    they serve /ready. Metrics are labelled by route or reason.
    """

    def __init__(
        self,
        sink: Sink,
        clock: Clock,
        metrics: Metrics,
        *,
        ready: Callable[[], bool] = lambda: True,
        said: Callable[[], str] = str,
        body_compressed_bytes: int = limits.BODY_COMPRESSED_BYTES,
        body_bytes: int = limits.BODY_BYTES,
        bodies_in_flight_bytes: int = limits.BODIES_IN_FLIGHT_BYTES,
        read_deadline_s: float = limits.BODY_S,
        admission: Admission | None = None,
    ) -> None:
        self.clock = clock
        self.metrics = metrics
        self.ready = ready
        self.said = said
        self.admission = admission or Admission(clock, metrics)
        reserve = min(limits.BODIES_RESERVED_BYTES, bodies_in_flight_bytes // 4)
        self.bodies = BodyReader(
            ByteBudget(bodies_in_flight_bytes, reserve=reserve),
            body_compressed_bytes,
            read_deadline_s,
            self.admission,
        )
        self._sink = sink
        self._body_bytes = body_bytes
        self._numbering = Numbering(clock)
        self._work = Work("gateway")

    def expand(self, request: Request, body: bytes) -> bytes:
        """`body` before its Content-Encoding."""
        return self._expand(body, _encoding(request), principal_of(request.scope).tenant)

    def _expand(self, body: bytes, encoding: str, tenant: str) -> bytes:
        most = self.admission.body_bytes(tenant, self._body_bytes)
        return snappy.expand(body, most) if encoding == _BLOCK else expand(body, encoding, most)

    async def take(
        self,
        request: Request,
        decode: Callable[[bytes], Iterable[Content]],
        block: bool = False,
    ) -> int:
        """Rows of a request's body that are durable now: what most routes do.

        `decode` gets the body before its Content-Encoding and may run in a thread. `block`: this
        protocol sends raw blocks of snappy, whether or not the header says so. Raises InputError
        and Busy.
        """
        tenant, encoding = principal_of(request.scope).tenant, _encoding(request)
        if block and encoding in ("", "snappy"):
            encoding = _BLOCK
        async with self.bodies.read(request) as body:
            return await self._take(body, encoding, tenant, decode)

    async def take_bytes(
        self,
        body: bytes,
        tenant: str,
        decode: Callable[[bytes], Iterable[Content]],
        own: bool = False,
    ) -> int:
        """The same for bytes that came another way than by HTTP, and are not encoded. `own`: they
        are the server's own, see Admission."""
        async with self.bodies.hold(tenant, len(body), own), self.bodies.turn(tenant, len(body)):
            return await self._take(body, "", tenant, decode, own)

    async def _take(
        self,
        body: bytes,
        encoding: str,
        tenant: str,
        decode: Callable[[bytes], Iterable[Content]],
        own: bool = False,
    ) -> int:
        def frames() -> list[Frame]:
            found = decode(self._expand(body, encoding, tenant))
            return [frame for content in found for frame in self.frames(content, tenant)]

        taken = await self._work.run(len(body), bool(encoding), tenant, frames)
        return (await self.deliver(taken, own)).rows

    def frames(
        self,
        content: Content,
        tenant: str,
        identify: Callable[[int], Identity] | None = None,
        compressed: bytes = b"",
    ) -> list[Frame]:
        """Frames of this content, numbered by `identify` or else by this gateway."""
        self.metrics.add_each("tailrace_ingest_repaired_total", content.repaired)
        own = self._numbering
        return frames_of(
            content,
            tenant,
            self.clock.wall_ns(),
            identify or (lambda index: own.next()),
            compressed,
        )

    async def work(self, body: bytes, request: Request, task: Callable[[], _T]) -> _T:
        """Run `task`, which expands and checks `body`, when it is the turn of its tenant."""
        tenant = principal_of(request.scope).tenant
        return await self._work.run(len(body), bool(_encoding(request)), tenant, task)

    async def submit(self, frames: Sequence[Frame]) -> int:
        """Rows that are durable now. Raises Busy for anything that another try may mend, and
        TooLarge for rows beyond the limits of their tenant."""
        return (await self.deliver(frames)).rows

    async def deliver(self, frames: Sequence[Frame], own: bool = False) -> Delivered:
        """What `submit` does, and says more of it."""
        if not frames:
            return Delivered(0, 0)
        admitted = self.admission.admit(frames, await self._weigh(frames), own)
        try:
            await self._sink.accept(admitted.frames)
        except BaseException as error:
            self.admission.refund(admitted)
            if (told := _told(error)) is None:
                raise
            raise told from error
        rows = sum(frame.header.rows for frame in frames)
        self.metrics.add("tailrace_ingest_rows_total", rows)
        self.metrics.add("tailrace_ingest_bytes_total", sum(f.header.bytes for f in frames))
        return Delivered(rows, admitted.diverted_rows)

    async def _weigh(self, frames: Sequence[Frame]) -> dict[str, Load]:
        weigh = partial(self.admission.weigh, frames)
        tenant = frames[0].header.tenant
        try:
            if self.admission.looks_inside(frames):
                return await self._work.in_thread(tenant, weigh)
            return weigh()
        except TooLarge as error:
            self.admission.refused(tenant, error)
            raise

    def close(self) -> None:
        """Let the threads go; call after the server has stopped."""
        self._work.close()


def _encoding(request: Request) -> str:
    """The Content-Encoding, "" for none."""
    name = request.headers.get("content-encoding", "").strip().lower()
    return "" if name == "identity" else name


def _told(error: BaseException) -> TailraceError | None:
    """What a sender is told of what a sink raised, where that is something else."""
    if isinstance(error, Poison):
        return InputError(f"cannot be stored: {error}", "poison")
    if isinstance(error, Busy | InputError) or not isinstance(error, TailraceError | OSError):
        return None
    _log.error("sink failed", exc_info=error)
    return Busy("logs cannot be kept just now; try again", 5.0)
