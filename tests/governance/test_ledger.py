"""Where checking begins, what is remembered of it and for how long, on the real control store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from places import Place, nothing
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from tailrace.core import limits
from tailrace.core.access import KEY, Principal
from tailrace.core.clock import ManualClock
from tailrace.core.errors import StoreError
from tailrace.core.fleet import Announcement, Loss, Settled
from tailrace.core.frame import Header
from tailrace.core.ledger import Numbering, Period, Range, Span, without
from tailrace.core.metrics import Metrics
from tailrace.governance.control import Control
from tailrace.governance.fleet import Fleet
from tailrace.governance.ledger import away, marks
from tailrace.governance.ledger.http import routes
from tailrace.governance.ledger.known import GuardedAway, Lost
from tailrace.governance.ledger.ledger import Ledger
from tailrace.governance.ledger.tally import MINUTE_NS
from tailrace.governance.schema import MIGRATIONS

BEFORE = 5  # an epoch that began long ago
SOURCE = "agent-a"


class Server:
    """A ledger whose clock is driven; each `run` is a process of its own on the same store.

    `seen` are the spans that the first witness was asked for: it knows all numbers but those of
    `gone`.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.gone: set[int] = set()
        self.seen: list[Span] = []
        self.failure: Exception | None = None
        self.takes_s = 0

    def run(self, use: Callable[[Ledger], Awaitable[None]]) -> None:
        async def work(control: Control) -> None:
            self.fleet = Fleet(control, self.clock, self.metrics)
            self.control = control
            self.away = GuardedAway(control, self.clock)
            await self.fleet.open()
            witnesses = (self, Lost(control), self.away)
            ledger = Ledger(self.fleet, control, witnesses, self.passed, self.clock, self.metrics)
            await ledger.open()
            await use(ledger)

        self.place.use(work)

    async def passed(self) -> bool:
        return True

    async def known(self, spans: Sequence[Span]) -> list[list[Range]]:
        if self.failure:
            raise self.failure
        self.seen += spans
        self.clock.advance(self.takes_s)
        gone = [(number, number) for number in sorted(self.gone)]
        return [without([(span.first_seq, span.last_seq)], gone) for span in spans]

    @property
    def new(self) -> int:
        """An epoch that begins now, under this server."""
        return self.clock.wall_ns() + 1


@pytest.fixture
def server(place: Place) -> Server:
    return Server(place)


@pytest.fixture
def sqlite(tmp_path: Path) -> Server:
    """For what is the same in both: it takes less time."""
    return Server(Place(tmp_path / "control"))


async def say(
    ledger: Ledger,
    epoch: int,
    before: int,
    source: str = SOURCE,
    tenant: str = "shop",
    first: int = 1,
    following: int = 0,
    **fields: Any,
) -> int:
    settled = Settled(source, epoch, first, before, following or before)
    said = Announcement(
        source=source, version="1", host="h", pid=1, started_ns=1, interval_s=15.0,
        settled=[settled], **fields,
    )  # fmt: skip
    return await ledger.announce(tenant, said)


def found(ledger: Ledger, tenant: str = "shop") -> list[tuple[str, int, int]]:
    return [(gap.source, gap.first_seq, gap.last_seq) for gap in ledger.gaps(tenant)]


def test_what_is_missing_is_named_and_remembered(server: Server) -> None:
    server.gone = {3, 4, 9}

    async def use(ledger: Ledger) -> None:
        assert await say(ledger, server.new, 11) == 0
        await ledger.look()
        assert found(ledger) == [(SOURCE, 3, 4), (SOURCE, 9, 9)]
        assert found(ledger, "bank") == []
        assert server.metrics.get("tailrace_ledger_gap_frames") == 3
        assert server.metrics.get("tailrace_ledger_checked_frames_total") == 10

    async def later(ledger: Ledger) -> None:
        assert found(ledger) == [(SOURCE, 3, 4), (SOURCE, 9, 9)]
        assert server.metrics.get("tailrace_ledger_gap_frames") == 3
        server.gone = {4}
        await ledger.look()
        assert found(ledger) == [(SOURCE, 4, 4)]
        assert server.metrics.get("tailrace_ledger_gap_frames") == 1

    async def last(ledger: Ledger) -> None:
        assert found(ledger) == [(SOURCE, 4, 4)]

    server.run(use)
    server.metrics = Metrics()
    server.run(later)
    server.run(last)


def test_what_was_checked_is_not_asked_for_again(server: Server) -> None:
    epoch = server.new

    async def use(ledger: Ledger) -> None:
        await say(ledger, epoch, 11)
        await ledger.look()
        await ledger.look()

    async def later(ledger: Ledger) -> None:
        await say(ledger, epoch, 9)  # its spool was older than its death
        await ledger.look()
        await say(ledger, epoch, 21)
        await ledger.look()

    server.run(use)
    server.run(later)
    assert [(span.first_seq, span.last_seq) for span in server.seen] == [(1, 10), (11, 20)]


def test_of_a_numbering_that_is_older_than_the_server_only_what_comes_is_claimed(
    sqlite: Server,
) -> None:
    async def use(ledger: Ledger) -> None:
        await say(ledger, BEFORE, 5, following=31)  # 30 was acknowledged, by whom it does not say
        await ledger.look()
        assert not server_seen()
        await say(ledger, BEFORE, 41)
        await ledger.look()
        assert server_seen() == [(31, 40)]

    def server_seen() -> list[tuple[int, int]]:
        return [(span.first_seq, span.last_seq) for span in sqlite.seen]

    sqlite.run(use)


def test_of_an_agent_that_comes_from_another_tenant_only_what_comes_is_claimed(
    sqlite: Server,
) -> None:
    async def use(ledger: Ledger) -> None:
        epoch = sqlite.new
        await say(ledger, epoch, 11)
        await say(ledger, epoch, 21, tenant="bank")
        await ledger.look()
        assert [span.numbering.tenant for span in sqlite.seen] == ["shop"]

    sqlite.run(use)


def test_what_may_have_gone_elsewhere_is_not_claimed(sqlite: Server) -> None:
    async def use(ledger: Ledger) -> None:
        epoch = sqlite.new
        await say(ledger, epoch, 11)
        await ledger.look()
        await say(ledger, epoch, 18, first=20, following=20)
        await ledger.look()
        await say(ledger, epoch, 25, first=20)
        await ledger.look()
        spans = [(span.first_seq, span.last_seq) for span in sqlite.seen]
        assert spans == [(1, 10), (20, 24)]

    sqlite.run(use)


def test_losses_of_an_agent_and_what_the_guard_dropped_are_not_missing(server: Server) -> None:
    epoch = server.new
    server.gone = {2, 3, 4, 7}

    async def use(ledger: Ledger) -> None:
        lost = Loss(SOURCE, epoch, 1, 3, 30, 300, "spool_full", 5)
        await server.away.note([header(epoch, 4)])
        assert await say(ledger, epoch, 11, losses=[lost]) == 1
        await ledger.look()
        assert found(ledger) == [(SOURCE, 7, 7)]
        late = Loss(SOURCE, epoch, 7, 7, 30, 300, "refused", 5)
        await say(ledger, epoch, 11, losses=[late])
        await ledger.look()
        assert found(ledger) == []

    server.run(use)


def header(epoch: int, seq: int, source: str = SOURCE, tenant: str = "shop") -> Header:
    return Header(tenant, source, epoch, seq, 1, 1, 0, 0)


def test_what_the_guard_dropped_is_known_until_it_is_checked(server: Server) -> None:
    epoch = server.new
    span = Span(Numbering("shop", SOURCE, epoch), 1, 100)

    async def use(ledger: Ledger) -> None:
        await server.away.note([header(epoch, 4), header(epoch, 5), header(epoch, 12)])
        await server.away.note([header(epoch, 5)])  # it was sent again
        others = [header(epoch, 6, "gateway-x"), header(epoch, 7, "agent-a#1")]
        await server.away.note([*others, header(epoch, 8, tenant="bank"), header(9, 9)])
        assert await server.away.known([span]) == [[(4, 5), (12, 12)]]
        await say(ledger, epoch, 11)
        await ledger.look()
        assert await server.away.known([span]) == [[(12, 12)]]

    server.run(use)


def test_a_look_that_fails_changes_nothing(sqlite: Server) -> None:
    sqlite.gone = {2}

    async def use(ledger: Ledger) -> None:
        await say(ledger, sqlite.new, 11)
        sqlite.failure = StoreError("not just now")
        with pytest.raises(StoreError):
            await ledger.look()
        assert not found(ledger)
        sqlite.failure = None
        await ledger.look()
        assert found(ledger) == [(SOURCE, 2, 2)]

    sqlite.run(use)


def test_a_look_is_bounded_and_tenants_take_turns(
    sqlite: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LEDGER_SPANS", 3)
    monkeypatch.setattr(limits, "LEDGER_NUMBERS", 100)
    monkeypatch.setattr(marks, "SHARE", 10)

    async def use(ledger: Ledger) -> None:
        epoch = sqlite.new
        for number in range(4):
            await say(ledger, epoch, 2**62, f"agent-{number}", "hostile")
        await say(ledger, epoch, 6, "agent-z", "shop")
        for _ in range(2):
            await ledger.look()

    sqlite.run(use)
    assert {span.frames for span in sqlite.seen} == {10, 5}
    assert [(s.numbering.source, s.first_seq) for s in sqlite.seen] == [
        ("agent-0", 1), ("agent-z", 1), ("agent-1", 1),
        ("agent-2", 1), ("agent-3", 1), ("agent-0", 11),
    ]  # fmt: skip


def test_the_numbers_of_a_look_are_bounded(sqlite: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LEDGER_NUMBERS", 25)
    monkeypatch.setattr(marks, "SHARE", 10)

    async def use(ledger: Ledger) -> None:
        for number in range(4):
            await say(ledger, sqlite.new, 100, f"agent-{number}")
        await ledger.look()

    sqlite.run(use)
    assert sum(span.frames for span in sqlite.seen) == 20


def test_asking_takes_a_twentieth_of_the_time_at_most(sqlite: Server) -> None:
    async def use(ledger: Ledger) -> None:
        assert ledger.pause_s == 5
        await say(ledger, sqlite.new, 11)
        sqlite.takes_s = 3
        await ledger.look()
        assert ledger.pause_s == 60

    sqlite.run(use)


def test_gaps_are_looked_at_in_turn(sqlite: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LEDGER_GAPS", 2)
    sqlite.gone = {2, 4, 6}

    async def use(ledger: Ledger) -> None:
        await say(ledger, sqlite.new, 11)
        await ledger.look()
        sqlite.seen = []
        for _ in range(3):
            await ledger.look()
        assert [span.first_seq for span in sqlite.seen] == [2, 4, 6, 2, 4, 6]
        await say(ledger, sqlite.new, 5, "agent-z", "bank")
        await ledger.look()
        sqlite.seen = []
        await ledger.look()
        assert {span.numbering.tenant for span in sqlite.seen} == {"shop", "bank"}

    sqlite.run(use)


def test_the_bounds_hold_and_the_oldest_go(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "NUMBERINGS_PER_TENANT", 2)
    monkeypatch.setattr(limits, "GAPS_PER_TENANT", 2)
    server.gone = {2, 4, 6}
    epoch = server.new

    async def use(ledger: Ledger) -> None:
        await say(ledger, epoch, 1, "agent-0", "bank")
        for number in range(3):
            server.clock.advance(1)
            await say(ledger, epoch, 1, f"agent-{number}")
        await say(ledger, epoch, 7, "agent-2")
        await ledger.look()
        server.clock.advance(3_601)
        await ledger.look()
        assert [first for _, first, _ in found(ledger)] == [4, 6]

    async def later(ledger: Ledger) -> None:
        assert [first for _, first, _ in found(ledger)] == [4, 6]
        server.seen = []
        for number in range(3):  # the first is one that was never heard of, and older than this
            await say(ledger, epoch, 11, f"agent-{number}")
        await ledger.look()
        sources = {s.numbering.source for s in server.seen if s.last_seq == 10}
        assert "agent-0" not in sources

    server.run(use)
    server.clock.advance(1)
    server.run(later)


def test_guarded_frames_are_bounded(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(limits, "GUARDED_AWAY_PER_TENANT", 500)

    async def use(ledger: Ledger) -> None:
        for start in range(0, 1_000, 250):
            await server.away.note([header(9, start + n) for n in range(250)])
            server.clock.advance(1)
        span = Span(Numbering("shop", SOURCE, 9), 0, 2_000)
        assert await server.away.known([span]) == [[(500, 999)]]

    server.run(use)


def test_guarded_rows_are_counted_once_by_minute_and_outlive_their_frames(server: Server) -> None:
    minute = server.clock.wall_ns() // MINUTE_NS

    def taken(seq: int, later: int = 0) -> Header:
        at_ns = (minute + later) * MINUTE_NS
        return msgspec.structs.replace(header(server.new, seq), rows=4, received_ns=at_ns)

    async def use(ledger: Ledger) -> None:
        await server.away.note([taken(1), taken(2)])
        await server.away.note([taken(2), taken(3), taken(3), taken(4, later=1)])
        await say(ledger, server.new, 9)
        await ledger.look()

        async def sums(step: int, end: int = 9, tenant: str = "shop", of: str = "") -> Any:
            period = Period(minute, minute + end, step)
            return await server.control.read(lambda c: away.sums(c, tenant, period, of))

        assert await sums(0) == {(SOURCE, 0): 16} == await sums(0, of=SOURCE)
        assert await sums(1) == {(SOURCE, minute): 12, (SOURCE, minute + 1): 4}
        assert await sums(0, end=1) == {(SOURCE, 0): 12}
        assert await sums(0, tenant="bank") == {} == await sums(0, of="agent-b")
        server.clock.advance((limits.LEDGER_DAYS + 1) * 86_400)
        await ledger.look()
        assert await sums(0) == {}

    server.run(use)


def test_what_was_not_heard_of_for_a_month_is_forgotten(server: Server) -> None:
    server.gone = {2}
    epoch = server.new

    async def use(ledger: Ledger) -> None:
        await say(ledger, epoch, 11)
        await server.away.note([header(epoch, 20)])
        await ledger.look()
        assert found(ledger)
        for _ in range(31):  # another is heard of, and has nothing to send
            server.clock.advance(86_400)
            await say(ledger, epoch, 1, "agent-quiet")
            await ledger.look()
        assert not found(ledger)
        assert server.metrics.get("tailrace_ledger_gap_frames") == 0

    async def later(ledger: Ledger) -> None:
        server.seen = []
        assert not found(ledger)
        span = Span(Numbering("shop", SOURCE, epoch), 1, 100)
        assert await server.away.known([span]) == [[]]
        await say(ledger, epoch, 31)
        await say(ledger, epoch, 6, "agent-quiet")
        await ledger.look()
        spans = [(s.numbering.source, s.first_seq, s.last_seq) for s in server.seen]
        assert spans == [("agent-quiet", 1, 5)]

    server.run(use)
    server.run(later)


def test_it_is_asked_for_over_http(sqlite: Server) -> None:
    sqlite.gone = {2, 3, 7}

    async def get(ledger: Ledger, tenant: str, **asked: Any) -> httpx.Response:
        application = Starlette(routes=routes(ledger))

        async def entered(scope: Scope, receive: Receive, send: Send) -> None:
            scope[KEY] = Principal(tenant, frozenset())
            await application(scope, receive, send)

        transport = httpx.ASGITransport(app=entered)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return await client.get("/api/v1/ledger/gaps", params=asked)

    async def use(ledger: Ledger) -> None:
        epoch, at_ns = sqlite.new, sqlite.clock.wall_ns()
        for before in (5, 11):
            await say(ledger, epoch, before)
            await ledger.look()
            sqlite.clock.advance(1)
        newest = {
            "source": SOURCE, "epoch": epoch, "first_seq": 7, "last_seq": 7, "frames": 1,
            "found_ns": at_ns + 10**9,
        }  # fmt: skip
        oldest = newest | {"first_seq": 2, "last_seq": 3, "frames": 2, "found_ns": at_ns}
        whole = {"frames": 3, "gaps": [newest, oldest], "truncated": False}
        assert (await get(ledger, "shop")).json() == whole
        cut = {"frames": 3, "gaps": [newest], "truncated": True}
        assert (await get(ledger, "shop", limit=1)).json() == cut
        assert (await get(ledger, "bank")).json()["gaps"] == []
        assert (await get(ledger, "shop", limit=0)).status_code == 400

    sqlite.run(use)


def test_a_store_of_before_gets_the_tables_and_keeps_the_rest(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(place)

    async def before(control: Control) -> None:
        fleet = Fleet(control, server.clock, server.metrics)
        await fleet.announce("shop", Announcement(
            source=SOURCE, version="1", host="h", pid=1, started_ns=1, interval_s=15.0,
        ))  # fmt: skip

    async def after(ledger: Ledger) -> None:
        server.gone = {2}
        assert (await server.fleet.agents("shop", ("running",), 9)).agents[0].source == SOURCE
        await say(ledger, server.new, 3)
        await ledger.look()
        assert found(ledger) == [(SOURCE, 2, 2)]

    with monkeypatch.context() as old:
        old.setattr("tailrace.governance.control.MIGRATIONS", MIGRATIONS[:6])
        place.use(before)
    server.run(after)
    monkeypatch.setattr("tailrace.governance.control.MIGRATIONS", MIGRATIONS[:6])
    with pytest.raises(StoreError, match="newer tailrace"):
        place.use(nothing)
