"""The laws of a Sink, and of a BoundedSink with its Pressure. Every implementation is held to them,
and those that other tests are done with; add one to `SINKS`, and to `BOUNDED`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from tailrace.core.clock import ManualClock, SystemClock
from tailrace.core.contracts import Receipt, Sink
from tailrace.core.errors import Busy, Poison
from tailrace.core.frame import Codec, Frame, Header
from tailrace.core.metrics import Metrics
from tailrace.core.payload import compress, describe
from tailrace.guard.cleaner import Cleaner
from tailrace.guard.guard import Guard
from tailrace.queue.log import SegmentLog
from tailrace.ship.credentials import Tls, Token
from tailrace.ship.gateways import Gateways, targets
from tailrace.ship.sender import Sender
from tailrace.ship.upstream import Upstream

from ..agent.fakes import FakeGateway
from ..gateway.doors import MemorySink
from ..guard.fakes import FakeFindings, FakeKeyring, FakeSink
from ..logging_handler.gateways import MemorySink as SlowSink
from ..queue.building import ALL, log

Kept = Callable[[], Any]
Place = AbstractAsyncContextManager[tuple[Sink, Kept]]


def frame(seq: int, rows: int = 2, tenant: str = "acme") -> Frame:
    data = b"".join(b"row %d of frame %d\n" % (row, seq) for row in range(rows))
    facts = describe(data)
    known = (tenant, "web-1", 1, seq, facts.rows, facts.bytes, facts.checksum, 1)
    header = Header(*known, codec=Codec.LINES)
    return Frame(header, compress(data))


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[SegmentLog, Kept]]:
    found = log(segment_bytes=1 << 20, queue_bytes=1 << 22)
    await found.open()
    reader = found.consumer("hot", ALL)

    async def kept() -> list[Frame]:
        return [delivery.frame for delivery in await reader.read(1 << 30, 0.0)]

    try:
        yield found, kept
    finally:
        await found.close(1.0)


@asynccontextmanager
async def guard() -> AsyncIterator[tuple[Sink, Kept]]:
    async with opened() as (behind, kept):
        parts = (Cleaner, FakeKeyring(), FakeFindings(), ManualClock(), Metrics())
        yield Guard(behind, *parts), kept


@asynccontextmanager
async def upstream() -> AsyncIterator[tuple[Sink, Kept]]:
    gateway, clock = FakeGateway(), SystemClock()
    senders = [
        Sender(Gateways(targets([gateway.url]), clock, name), Token("secret"), Tls())
        for name in ("a", "b")
    ]
    found = Upstream(senders[1:], senders[0], clock, 5.0)
    try:
        yield found, lambda: list(gateway.taken.values())
    finally:
        await found.close(5.0)
        gateway.close()


@asynccontextmanager
async def fake(kind: type[Any]) -> AsyncIterator[tuple[Sink, Kept]]:
    found = kind()
    frames = found.frames
    yield found, lambda: list(frames.values() if isinstance(frames, dict) else frames)


SINKS: dict[str, Callable[[], Place]] = {
    "queue": opened,
    "guard": guard,
    "upstream": upstream,
    "the gateway's fake": lambda: fake(MemorySink),
    "the guard's fake": lambda: fake(FakeSink),
    "the handler's fake": lambda: fake(SlowSink),
}


BOUNDED = ("queue", "guard", "upstream", "the guard's fake")


@pytest.fixture(params=SINKS)
def sink(request: pytest.FixtureRequest) -> Callable[[], Place]:
    found: Callable[[], Place] = SINKS[request.param]
    return found


async def held(kept: Kept) -> Sequence[Frame]:
    found = kept()
    return await found if asyncio.iscoroutine(found) else found


def test_what_was_accepted_is_kept_whole_in_its_order_and_counted(
    sink: Callable[[], Place],
) -> None:
    frames = [frame(1), frame(2, rows=3, tenant="other"), frame(3)]

    async def main() -> None:
        async with sink() as (found, kept):
            assert await found.accept(frames[:2]) == Receipt(2, 5)
            assert await found.accept(frames[2:]) == Receipt(1, 2)
            assert [(one.header, one.payload) for one in await held(kept)] == [
                (one.header, one.payload) for one in frames
            ]

    asyncio.run(main())


def test_the_frames_that_were_given_are_not_changed(sink: Callable[[], Place]) -> None:
    given, same = frame(1), frame(1)

    async def main() -> None:
        async with sink() as (found, _):
            await found.accept([given])

    asyncio.run(main())
    assert (given.header, given.payload) == (same.header, same.payload)


def test_many_at_the_same_time_are_all_kept(sink: Callable[[], Place]) -> None:
    async def main() -> None:
        async with sink() as (found, kept):
            receipts = await asyncio.gather(*(found.accept([frame(n)]) for n in range(20)))
            assert receipts == [Receipt(1, 2)] * 20
            assert sorted(one.header.seq for one in await held(kept)) == list(range(20))

    asyncio.run(main())


@pytest.mark.parametrize("name", ["queue", "guard", "upstream"])
def test_what_is_closed_takes_nothing_and_says_so(name: str) -> None:
    async def main() -> None:
        async with SINKS[name]() as (found, _):
            await found.close(1.0)
            with pytest.raises((Busy, Poison)):
                await found.accept([frame(1)])

    asyncio.run(main())


@pytest.mark.parametrize("name", BOUNDED)
def test_what_is_ready_takes_something_and_its_pressure_is_between_empty_and_full(
    name: str,
) -> None:
    async def main() -> None:
        async with SINKS[name]() as (found, _):
            assert isinstance(found, Guard | SegmentLog | Upstream | FakeSink)
            assert found.ready()
            for seq in range(3):
                assert 0.0 <= found.pressure() < 1.0
                await found.accept([frame(seq)])

    asyncio.run(main())
