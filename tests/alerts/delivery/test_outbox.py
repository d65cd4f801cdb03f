"""What waits is sent: in order, to each receiver apart from the others, until it is taken."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from keeping import MemoryStore

from tailrace.alerts.delivery.outbox import Outbox
from tailrace.alerts.delivery.outcome import NotTaken
from tailrace.core import limits
from tailrace.core.alerting import Notice
from tailrace.core.clock import ManualClock
from tailrace.core.errors import StoreError
from tailrace.core.metrics import Metrics


class Receiver:
    """Takes what it is sent, unless `answer` raises."""

    def __init__(self) -> None:
        self.taken: list[Notice] = []
        self.tried: list[Notice] = []
        self.answer: Callable[[Notice], None] = lambda notice: None
        self.waits: Callable[[Notice], Awaitable[object]] | None = None

    async def send(self, notice: Notice) -> None:
        self.tried.append(notice)
        if self.waits:
            await self.waits(notice)
        self.answer(notice)
        self.taken.append(notice)

    @property
    def bodies(self) -> list[bytes]:
        return [notice.body for notice in self.taken]


class Bench:
    def __init__(self, *names: str) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore()
        self.metrics = Metrics()
        self.sent: list[bytes] = []
        self.receivers = {name: Receiver() for name in names or ("a",)}
        self.outbox = self.opened()

    def opened(self, timeout_s: float = 30.0) -> Outbox:
        senders = {name: (one, timeout_s) for name, one in self.receivers.items()}
        return Outbox(
            self.store, senders, self.clock, self.metrics,
            lambda notice: self.sent.append(notice.body),
        )  # fmt: skip

    @property
    def given_up(self) -> int:
        return int(self.metrics.get("tailrace_notices_total", "given_up"))

    async def put(
        self, body: str, receiver: str = "a", group: str = "g", tenant: str = "default"
    ) -> None:
        now_ns = self.clock.wall_ns()
        notice = Notice(0, tenant, receiver, group, body.encode(), now_ns, now_ns)
        await self.store.tell([], [notice], [])
        self.outbox.wake()

    async def pass_s(self, seconds: float) -> None:
        end_s = self.clock.monotonic_s() + seconds
        await self.outbox.send_due()
        while (left_s := end_s - self.clock.monotonic_s()) > 0:
            self.clock.advance(min(left_s, max(0.05, self.outbox.wait_s())))
            await self.outbox.send_due()

    def left(self) -> int:
        return len(self.store.kept.notices)


def refuse(lasting: bool = False, retry_after_s: float | None = None) -> Callable[[Notice], None]:
    def answer(notice: Notice) -> None:
        raise NotTaken("status 500", lasting, retry_after_s)

    return answer


def test_a_notice_is_sent_and_leaves_the_store() -> None:
    async def run() -> None:
        bench = Bench()
        await bench.put("one")
        await bench.outbox.send_due()
        assert bench.receivers["a"].bodies == [b"one"]
        assert not bench.left()
        assert bench.metrics.get("tailrace_notices_total", "sent") == 1
        assert bench.sent == [b"one"]

    asyncio.run(run())


def test_what_a_receiver_will_never_take_leaves_at_once_and_counts_as_given_up() -> None:
    async def run() -> None:
        bench, asked = Bench(), []

        def answer(notice: Notice) -> None:
            asked.append(notice.body)
            raise NotTaken("it refuses some alerts", over=True)

        bench.receivers["a"].answer = answer
        await bench.put("one")
        await bench.put("two")
        await bench.outbox.send_due()
        assert asked == [b"one", b"two"]
        assert (bench.given_up, bench.sent, bench.left()) == (2, [], 0)

    asyncio.run(run())


def test_a_notice_is_sent_once_it_is_taken_and_never_when_it_is_given_up() -> None:
    async def run() -> None:
        bench = Bench()
        bench.receivers["a"].answer = refuse()
        await bench.put("one")
        await bench.pass_s(60)
        assert bench.sent == []
        bench.receivers["a"].answer = lambda notice: None
        await bench.pass_s(600)
        assert bench.sent == [b"one"]
        bench.receivers["a"].answer = refuse(lasting=True)
        await bench.put("two")
        await bench.pass_s(limits.ALERT_NOTICE_KEPT_S + 600)
        assert bench.given_up == 1
        assert bench.sent == [b"one"]

    asyncio.run(run())


def test_notices_of_a_group_arrive_in_their_order_though_one_fails() -> None:
    async def run() -> None:
        bench = Bench()
        for body in ("one", "two", "three"):
            await bench.put(body)
        receiver = bench.receivers["a"]
        receiver.answer = refuse()
        await bench.outbox.send_due()
        receiver.answer = lambda notice: None
        await bench.pass_s(60)
        assert receiver.bodies == [b"one", b"two", b"three"]

    asyncio.run(run())


def test_a_receiver_that_hangs_holds_up_nobody() -> None:
    async def run() -> None:
        bench = Bench("a", "b")
        forever = asyncio.Event()
        bench.receivers["a"].waits = lambda notice: forever.wait()
        for number in range(limits.ALERT_NOTICES_READ * 3):
            await bench.put("stuck", "a", f"g{number}")
        await bench.put("news", "b")
        running = asyncio.create_task(bench.outbox.run())
        while not bench.receivers["b"].taken:
            await asyncio.sleep(0)
        assert len(bench.receivers["a"].tried) == limits.ALERT_SENDS_PER_RECEIVER
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(run())


def test_several_receivers_that_are_down_hide_nothing_of_another() -> None:
    async def run() -> None:
        bench = Bench("a", "b", "c", "d")
        for name in ("a", "b", "c"):
            bench.receivers[name].answer = refuse()
            for number in range(limits.ALERT_NOTICES_READ // 2):
                await bench.put("stuck", name, f"g{number}")
        await bench.outbox.send_due()
        await bench.put("news", "d")
        await bench.outbox.send_due()
        assert bench.receivers["d"].bodies == [b"news"]

    asyncio.run(run())


def test_what_is_refused_of_one_tenant_hides_nothing_of_another() -> None:
    async def run() -> None:
        bench = Bench()
        receiver = bench.receivers["a"]

        def answer(notice: Notice) -> None:
            if notice.tenant == "shop":
                raise NotTaken("status 413", lasting=True)

        receiver.answer = answer
        for number in range(limits.ALERT_NOTICES_READ + 1):
            await bench.put("too large", "a", f"g{number}", "shop")
        await bench.outbox.send_due()
        await bench.put("news", "a", "g", "bank")
        await bench.outbox.send_due()
        assert receiver.bodies == [b"news"]

    asyncio.run(run())


def test_everything_that_waits_is_sent_however_much_it_is() -> None:
    async def run() -> None:
        bench = Bench()
        count = limits.ALERT_NOTICES_READ * 4 + 1
        for number in range(count):
            await bench.put(str(number), "a", f"g{number % 7}")
        await bench.outbox.send_due()
        assert len(bench.receivers["a"].taken) == count
        assert not bench.left()

    asyncio.run(run())


def test_an_attempt_that_takes_too_long_has_failed() -> None:
    async def run() -> None:
        bench = Bench()
        forever = asyncio.Event()
        bench.receivers["a"].waits = lambda notice: forever.wait()
        bench.outbox = bench.opened(timeout_s=0.01)
        await bench.put("one")
        await bench.outbox.send_due()
        (notice,) = bench.store.kept.notices
        assert (notice.attempts, notice.error) == (1, "it took too long")

    asyncio.run(run())


def test_a_receiver_that_fails_for_an_hour_gets_everything_after_it() -> None:
    async def run() -> None:
        bench = Bench()
        receiver = bench.receivers["a"]
        receiver.answer = refuse()
        for number in range(5):
            await bench.put(str(number), group=f"g{number}")
        await bench.pass_s(3_600)
        assert 100 < len(receiver.tried) < 1_500
        receiver.answer = lambda notice: None
        await bench.pass_s(60)
        assert sorted(receiver.bodies) == [b"0", b"1", b"2", b"3", b"4"]
        assert bench.given_up == 0

    asyncio.run(run())


@pytest.mark.parametrize(("asked_s", "least_s"), [(120.0, 120.0), (1e6, 300.0)])
def test_retry_after_is_honoured_within_bounds(asked_s: float, least_s: float) -> None:
    async def run() -> None:
        bench = Bench()
        bench.receivers["a"].answer = refuse(retry_after_s=asked_s)
        await bench.put("one")
        await bench.pass_s(least_s - 1)
        assert len(bench.receivers["a"].tried) == 1
        await bench.pass_s(2)
        assert len(bench.receivers["a"].tried) == 2

    asyncio.run(run())


def test_what_a_person_has_to_mend_is_tried_rarely_and_does_not_hold_up_other_groups() -> None:
    async def run() -> None:
        bench = Bench()
        receiver = bench.receivers["a"]

        def answer(notice: Notice) -> None:
            if notice.group == "bad":
                raise NotTaken("status 400", lasting=True)

        receiver.answer = answer
        await bench.put("bad", group="bad")
        await bench.put("good", group="good")
        await bench.pass_s(3_600)
        assert receiver.bodies == [b"good"]
        assert 6 <= len(receiver.tried) - 1 <= 25

    asyncio.run(run())


def test_nothing_is_given_up_before_it_is_a_day_old_and_that_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def run() -> None:
        bench = Bench()
        bench.receivers["a"].answer = refuse(lasting=True)
        await bench.put("one")
        await bench.pass_s(limits.ALERT_NOTICE_KEPT_S - 1)
        assert bench.left() == 1
        await bench.pass_s(900)
        assert not bench.left()
        assert bench.given_up == 1
        assert "a notice for a is given up" in caplog.text

    asyncio.run(run())


@pytest.mark.parametrize("jump_s", [-30 * 86_400.0, 30 * 86_400.0])
def test_a_clock_that_jumps_neither_hurries_nor_ends_anything(jump_s: float) -> None:
    async def run() -> None:
        bench = Bench()
        receiver = bench.receivers["a"]
        receiver.answer = refuse()
        await bench.put("one")
        await bench.outbox.send_due()
        bench.clock.jump_wall(jump_s)
        await bench.pass_s(120)
        assert 3 < len(receiver.tried) < 200
        assert bench.given_up == 0
        receiver.answer = lambda notice: None
        await bench.pass_s(60)
        assert receiver.bodies == [b"one"]

    asyncio.run(run())


def test_what_was_taken_is_not_sent_again_while_the_store_is_away() -> None:
    async def run() -> None:
        bench = Bench()
        await bench.put("one")
        receiver = bench.receivers["a"]

        def away(notice: Notice) -> None:
            bench.store.failure = StoreError("away")

        receiver.answer = away
        await bench.outbox.send_due()
        bench.store.failure = None
        await bench.pass_s(60)
        assert receiver.bodies == [b"one"]
        assert not bench.left()

    asyncio.run(run())


def test_what_was_being_sent_when_the_process_died_is_sent_again_once_with_the_same_id() -> None:
    async def run() -> None:
        bench = Bench()
        receiver = bench.receivers["a"]
        arrived, forever = asyncio.Event(), asyncio.Event()

        async def hang(notice: Notice) -> None:
            receiver.taken.append(notice)
            arrived.set()
            await forever.wait()

        receiver.waits = hang
        await bench.put("one")
        running = asyncio.create_task(bench.outbox.run())
        await arrived.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        receiver.waits = None
        bench.outbox = bench.opened()
        await bench.pass_s(600)
        assert receiver.bodies == [b"one", b"one"]
        assert len({notice.id for notice in receiver.taken}) == 1

    asyncio.run(run())


def test_what_could_not_be_read_is_read_as_soon_as_it_can_be() -> None:
    async def run() -> None:
        bench = Bench()
        await bench.put("one")
        bench.store.failure = StoreError("away")
        with pytest.raises(StoreError):
            await bench.outbox.send_due()
        bench.store.failure = None
        await bench.outbox.send_due()
        assert bench.receivers["a"].bodies == [b"one"]

    asyncio.run(run())


def test_a_notice_for_nobody_is_given_up() -> None:
    async def run() -> None:
        bench = Bench()
        await bench.put("one", "somebody who left")
        await bench.put("two", "a")
        await bench.outbox.send_due()
        assert bench.receivers["a"].bodies == [b"two"]
        assert bench.given_up == 1

    asyncio.run(run())


def test_what_a_newer_notice_took_the_place_of_is_not_sent() -> None:
    async def run() -> None:
        bench = Bench()
        receiver = bench.receivers["a"]
        receiver.answer = refuse()
        await bench.put("first", group="busy")
        await bench.outbox.send_due()
        now_ns = bench.clock.wall_ns()
        for body in (b"old", b"new"):
            one = Notice(0, "default", "a", "g", body, now_ns, now_ns, replaceable=True)
            await bench.store.tell([], [one], [])
            bench.outbox.wake()
            await bench.outbox.begin_due()
        receiver.answer = lambda notice: None
        await bench.pass_s(60)
        assert receiver.bodies == [b"first", b"new"]

    asyncio.run(run())
