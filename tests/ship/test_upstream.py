"""Frames that are passed on: taken once, refused, or to be sent again; never lost on the way."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "agent"))

from fakes import DROP, NONSENSE, TAKE_AND_DROP, FakeGateway

from tailrace.core.clock import SystemClock
from tailrace.core.errors import Busy, Poison, StoreError
from tailrace.core.fleet import Announcement
from tailrace.core.frame import Codec, Frame, Header, Lane
from tailrace.core.payload import compress, describe
from tailrace.ship.credentials import Tls, Token
from tailrace.ship.gateways import Gateways, targets
from tailrace.ship.sender import Sender
from tailrace.ship.upstream import Upstream

SAID = Announcement(
    source="agent-1", version="1", host="h", pid=1, started_ns=1, interval_s=15, inputs=[],
    inputs_total=0,
)  # fmt: skip


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    found = FakeGateway()
    yield found
    found.close()


def frame(seq: int, tenant: str = "shop", lane: Lane = Lane.BOTH) -> Frame:
    data = b"line %d\n" % seq
    facts = describe(data)
    header = Header(
        tenant=tenant, source="agent-1", epoch=1, seq=seq, rows=facts.rows, bytes=facts.bytes,
        checksum=facts.checksum, received_ns=1, lane=lane, codec=Codec.LINES,
    )  # fmt: skip
    return Frame(header, compress(data))


def run(
    use: Callable[[Upstream], Awaitable[None]], *urls: str, deadline_s: float = 5.0, count: int = 2
) -> None:
    async def main() -> None:
        clock = SystemClock()
        senders = [
            Sender(Gateways(targets(list(urls)), clock, f"g{n}"), Token("secret"), Tls())
            for n in range(count + 1)
        ]
        upstream = Upstream(senders[1:], senders[0], clock, deadline_s)
        try:
            await use(upstream)
        finally:
            await upstream.close(5.0)

    asyncio.run(main())


def test_frames_arrive_as_they_are_under_their_tenant(gateway: FakeGateway) -> None:
    async def use(upstream: Upstream) -> None:
        receipt = await upstream.accept([frame(1), frame(2, "other")])
        assert (receipt.frames, receipt.rows) == (2, 2)

    run(use, gateway.url)
    found = {key[2]: taken.header.tenant for key, taken in gateway.taken.items()}
    assert found == {1: "shop", 2: "other"}
    assert gateway.tokens == {"Bearer secret"}


@pytest.mark.parametrize("trouble", [DROP, TAKE_AND_DROP, NONSENSE, 500, 503])
def test_a_gateway_in_trouble_is_left_for_another(gateway: FakeGateway, trouble: int) -> None:
    other = FakeGateway()
    gateway.judge = lambda found: trouble

    async def use(upstream: Upstream) -> None:
        for seq in range(1, 9):
            await upstream.accept([frame(seq)])

    try:
        run(use, gateway.url, other.url)
        arrived = set(other.taken) | (set() if trouble > 0 else set(gateway.taken))
        assert {key[2] for key in arrived} >= set(range(1, 9))
    finally:
        other.close()


def test_nothing_is_said_to_be_kept_while_no_gateway_takes_it(gateway: FakeGateway) -> None:
    gateway.judge = lambda found: 503

    async def use(upstream: Upstream) -> None:
        with pytest.raises(Busy) as found:
            await upstream.accept([frame(1)])
        assert found.value.retry_after_s >= 1

    run(use, gateway.url, deadline_s=0.5)
    assert not gateway.taken


def test_bulk_that_is_refused_further_up_leaves_the_ways_open_to_what_is_hot(
    gateway: FakeGateway,
) -> None:
    gateway.retry_after = "60"
    gateway.judge = lambda found: 503 if found[0].header.lane is Lane.BULK else 200

    async def use(upstream: Upstream) -> None:
        for seq in range(4):
            with pytest.raises(Busy) as found:
                await upstream.accept([frame(seq, lane=Lane.BULK)])
            assert found.value.retry_after_s >= 59
        assert upstream.ready()
        await upstream.accept([frame(9)])

    run(use, gateway.url, deadline_s=0.5, count=1)
    assert [key[2] for key in gateway.taken] == [9]


@pytest.mark.parametrize(
    ("status", "media_type"), [(200, "text/html; charset=utf-8"), (204, ""), (302, "")]
)
def test_what_takes_anything_and_is_no_gateway_has_kept_nothing(
    gateway: FakeGateway, status: int, media_type: str, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.judge, gateway.media_type = lambda found: status, media_type

    async def use(upstream: Upstream) -> None:
        with pytest.raises(Busy):
            await upstream.accept([frame(1)])

    run(use, gateway.url, deadline_s=0.5)
    assert "what answers is no gateway of tailrace: check the address" in caplog.messages


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_not_let_in_keeps_senders_waiting_and_is_said_once(
    gateway: FakeGateway, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.judge = lambda found: status

    async def use(upstream: Upstream) -> None:
        for seq in range(1, 4):
            with pytest.raises(Busy):
                await upstream.accept([frame(seq)])

    run(use, gateway.url, deadline_s=0.5, count=1)
    said = "gateway refuses this sender: check its token and the address"
    assert caplog.messages.count(said) == 1
    assert gateway.requests == 1


def test_a_gateway_may_say_that_its_answer_is_json(gateway: FakeGateway) -> None:
    gateway.media_type = "application/json; charset=utf-8"

    async def use(upstream: Upstream) -> None:
        await upstream.accept([frame(1)])

    run(use, gateway.url)
    assert len(gateway.taken) == 1


def test_a_gateway_that_speaks_no_tls_is_said_to_be_one(
    gateway: FakeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    async def use(upstream: Upstream) -> None:
        with pytest.raises(Busy):
            await upstream.accept([frame(1)])

    run(use, gateway.url.replace("http:", "https:"), deadline_s=0.5)
    found = next(one for one in caplog.records if one.msg == "gateway not reached")
    assert found.__dict__["why"].startswith("it speaks no TLS")


def test_a_closed_port_is_said_in_the_words_of_the_system(
    gateway: FakeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.leave()

    async def use(upstream: Upstream) -> None:
        with pytest.raises(Busy):
            await upstream.accept([frame(1)])

    run(use, gateway.url, deadline_s=0.5)
    found = next(one for one in caplog.records if one.msg == "gateway not reached")
    assert found.__dict__["why"] == "Connection refused"
    gateway.come_back()


def test_what_is_refused_for_good_is_poison(gateway: FakeGateway) -> None:
    gateway.judge = lambda found: 400

    async def use(upstream: Upstream) -> None:
        with pytest.raises(Poison, match="400"):
            await upstream.accept([frame(1)])
        gateway.judge = lambda found: 200
        await upstream.accept([frame(2)])

    run(use, gateway.url)
    assert [key[2] for key in gateway.taken] == [2]


def test_more_frames_than_a_body_holds_go_in_several(
    gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailrace.core.limits.FRAMES_PER_BODY", 3)

    async def use(upstream: Upstream) -> None:
        assert (await upstream.accept([frame(seq) for seq in range(8)])).frames == 8

    run(use, gateway.url)
    assert (gateway.requests, len(gateway.taken)) == (3, 8)


def test_more_at_once_than_there_are_ways_wait_their_turn(gateway: FakeGateway) -> None:
    async def use(upstream: Upstream) -> None:
        await asyncio.gather(*(upstream.accept([frame(seq)]) for seq in range(30)))

    run(use, gateway.url, count=3)
    assert len(gateway.taken) == 30


def test_who_leaves_early_does_not_take_a_way_with_him(gateway: FakeGateway) -> None:
    async def use(upstream: Upstream) -> None:
        gateway.judge = slow
        leaving = [asyncio.create_task(upstream.accept([frame(seq)])) for seq in range(2)]
        await asyncio.sleep(0)
        for task in leaving:
            task.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        gateway.judge = lambda found: 200
        await upstream.accept([frame(9)])

    def slow(found: Any) -> int:
        gateway.pause(0.2)
        return 200

    run(use, gateway.url)
    assert 9 in {key[2] for key in gateway.taken}


def test_announcements_go_further_up_too(gateway: FakeGateway) -> None:
    async def use(upstream: Upstream) -> None:
        assert await upstream.announce("shop", SAID) == 0
        gateway.hears = False
        with pytest.raises(StoreError):
            await upstream.announce("shop", SAID)
        await upstream.accept([frame(1)])

    run(use, gateway.url, deadline_s=0.5)
    assert gateway.announcements[0] == SAID
    assert gateway.taken


def test_it_is_ready_while_some_gateway_may_be_asked(gateway: FakeGateway) -> None:
    gateway.judge = lambda found: 503

    async def use(upstream: Upstream) -> None:
        assert upstream.ready()
        with pytest.raises(Busy):
            await asyncio.gather(*(upstream.accept([frame(seq)]) for seq in range(2)))
        assert not upstream.ready()

    gateway.retry_after = "60"
    run(use, gateway.url, deadline_s=0.5, count=1)
