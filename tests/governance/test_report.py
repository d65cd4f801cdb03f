"""What is answered of the ledger, put together from what each part knows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from places import Place

from tailrace.core import limits
from tailrace.core.clock import ManualClock
from tailrace.core.contracts import Position
from tailrace.core.deletion import Deletion, Reason
from tailrace.core.deletion import Place as Where
from tailrace.core.errors import StoreError
from tailrace.core.fleet import Announcement, Loss, Sent, Settled
from tailrace.core.frame import Header
from tailrace.core.ledger import Balance, Compared, Counted, Differing, Gone, Period, Said
from tailrace.core.ledgerreport import Unexplained
from tailrace.core.metrics import Metrics
from tailrace.governance import deletions
from tailrace.governance.control import Control
from tailrace.governance.deletions import DeletionRecord
from tailrace.governance.fleet import Fleet
from tailrace.governance.ledger import deep
from tailrace.governance.ledger.deep import DeepReports
from tailrace.governance.ledger.gaps import Gap
from tailrace.governance.ledger.report import CHECKING_SHARE, Reports
from tailrace.governance.ledger.tally import Tally
from tailrace.governance.ledger.words import Words

NONE = Counted()
MINUTE_NS = 60_000_000_000


class Books:
    """The books, as a test wants them."""

    def __init__(self, *found: Balance) -> None:
        self.found = list(found)
        self.words: list[Said] = []
        self.checked = 0
        self.takes: Callable[[], None] = lambda: None
        self.balanced = Position(0, 0)

    async def of(self, tenant: str, period: Period, source: str = "", most: int = 0) -> Any:
        return [one for one in self.found if source in ("", one.source)][: most or None]

    async def check(self, period: Period) -> tuple[int, int, dict[str, int]]:
        self.checked += 1
        self.takes()
        return 1, 2, {"received": 9, "archived": 7}

    async def open(self, tenant: str, after: Position) -> dict[str, Counted]:
        return {"agent-a": Counted(1, 5)}

    async def said(self, tenant: str, period: Period, source: str = "") -> list[Said]:
        return self.words

    async def freshen(self) -> None: ...

    def came(self, tenant: str) -> dict[str, Counted]:
        return {"agent-a": Counted(2, 7), "gateway-1": Counted(1, 1)}


def balance(source: str, minute: int = 0, **fields: Any) -> Balance:
    given = {
        "received": NONE, "hot": NONE, "archived": NONE, "twice": NONE, "dead": NONE,
        "guarded_rows": 0, "diverted_rows": 0, "sampled_rows": 0, "repaired_rows": 0,
        "unexplained_frames": 0, "unexplained_rows": 0,
    }  # fmt: skip
    return Balance(source, minute, **(given | fields))


def ask(path: Path, use: Callable[[Reports, Control, Any], Awaitable[None]], books: Books) -> None:
    async def work(control: Control) -> None:
        gaps = [Gap("agent-a", 7, 3, 4, 2, 9)]
        ledger: Any = SimpleNamespace(gaps=lambda _: gaps, waiting=lambda _: {"agent-b": 3})
        clock, given = ManualClock(1_000 * MINUTE_NS), books
        made = Reports(given, given, ledger, control, clock, Metrics())  # type: ignore[arg-type]
        await use(made, control, clock)

    Place(path / "control").use(work)


def test_every_part_has_its_say(tmp_path: Path) -> None:
    books = Books(balance("agent-a", guarded_rows=4, received=Counted(3, 30), hot=Counted(3, 30)))
    books.words = [
        Said("agent-a", "", 0, Counted(4, 41)), Said("agent-a", "", 0, Counted(1, 2)),
        Said("agent-a", "filtered", 0, Counted(0, 8)), Said("agent-a", "refused", 0, Counted(0, 6)),
    ]  # fmt: skip

    async def use(reports: Reports, control: Control, clock: Any) -> None:
        fleet = Fleet(control, clock, Metrics())
        await fleet.open()
        loss = Loss("agent-a", 7, 1, 2, 6, 60, "refused", 5)
        said = Announcement(
            source="agent-a", version="1", host="h", pid=1, started_ns=1, interval_s=15.0,
            losses=[loss],
        )  # fmt: skip
        await fleet.announce("shop", said)
        one = Deletion("a", "shop", Where.HOT, Reason.EXPIRED, "a day", 77)
        await DeletionRecord(control, clock).note([one])

        report = await reports.of("shop", Period(0, 2_000))
        assert [line.source for line in report.sources] == ["agent-a", "agent-b", "gateway-1"]
        a, b, gateway = report.sources
        assert a.sent is not None
        assert (a.sent.frames, a.sent.rows, a.received.rows) == (5, 43, 30 + 12)
        assert a.reasons == {"guard_dropped": 4, "left_out_filtered": 8, "lost_refused": 6}
        assert (a.in_flight.frames, a.in_flight.rows) == (3, 12)
        assert a.unexplained == Unexplained(2, 0, 2) == report.unexplained
        assert (b.waiting_frames, b.sent, gateway.in_flight.rows) == (3, None, 1)
        assert report.deleted == {"hot": {"expired": 77}}
        assert (await reports.of("bank", Period(0, 2_000))).deleted == {}

        alone = await reports.of("shop", Period(0, 2_000), "gateway-1")
        assert [line.source for line in alone.sources] == ["agent-a", "gateway-1"]

    ask(tmp_path, use, books)


def test_lines_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LEDGER_LINES", 2)
    books = Books(*(balance("agent-a", minute, unexplained_rows=1) for minute in (1, 2, 3)))

    async def use(reports: Reports, *_: Any) -> None:
        report = await reports.of("shop", Period(0, 9, 1))
        assert ([line.from_ns for line in report.sources], report.truncated) == (
            [MINUTE_NS, 2 * MINUTE_NS], True,
        )  # fmt: skip

    ask(tmp_path, use, books)


def test_what_is_unexplained_is_a_metric_and_looked_for_in_a_small_part_of_the_time(
    tmp_path: Path,
) -> None:
    books, metrics, clock = Books(), Metrics(), ManualClock()

    async def work(control: Control) -> None:
        ledger: Any = SimpleNamespace()
        made = Reports(books, books, ledger, control, clock, metrics)  # type: ignore[arg-type]
        await made.check()
        assert metrics.get("tailrace_ledger_unexplained_frames") == 1
        assert metrics.get("tailrace_ledger_unexplained_rows") == 2
        assert metrics.labelled("tailrace_ledger_rows")["archived"] == 7
        books.takes = lambda: clock.advance(1)
        await made.check()
        clock.advance(CHECKING_SHARE - 1)
        await made.check()
        assert books.checked == 2
        clock.advance(1)
        await made.check()
        assert books.checked == 3

    Place(tmp_path / "control").use(work)


def said_by(started_ns: int, epoch: int, rows: int, first: int = 1) -> Announcement:
    sent = [Sent(rows + 1, 5 * MINUTE_NS, rows, rows, rows, "00000000000000ff")]
    return Announcement(
        source="agent-a", version="1", host="h", pid=1, started_ns=started_ns, interval_s=15.0,
        dropped={"filtered": rows}, settled=[Settled("agent-a", epoch, first, 99, 99, sent)],
    )  # fmt: skip


def test_who_began_after_the_books_is_counted_from_nothing() -> None:
    words = Words()
    words.load({}, 1_000)
    found = words.of("shop", said_by(2_000, 1_500, 4), 6 * MINUTE_NS)
    assert [(one.reason, one.minute, one.rows) for one in found] == [
        ("", 4, 0), ("", 5, 4), ("filtered", 5, 0), ("filtered", 6, 4),
    ]  # fmt: skip
    assert words.of("shop", said_by(2_000, 1_500, 4), 6 * MINUTE_NS) == []
    assert [one.rows for one in words.of("shop", said_by(2_000, 1_500, 6), 0)] == [6, 6]


def test_who_began_before_the_books_or_elsewhere_is_counted_from_what_it_says_first() -> None:
    words = Words()
    words.load({("shop", "agent-a", "", 1_500): 3}, 1_000)
    assert [one.rows for one in words.of("shop", said_by(500, 900, 4), 0)] == [4, 4]
    assert [one.rows for one in words.of("shop", said_by(500, 1_700, 4, first=2), 0)] == [4]
    # One that was heard before a restart goes on from there.
    assert [one.rows for one in words.of("shop", said_by(500, 1_500, 4), 0)] == [4]


def test_of_many_deletions_any_row_may_have_been_deleted(tmp_path: Path) -> None:
    async def work(control: Control) -> None:
        record = DeletionRecord(control, ManualClock())
        of = [("shop", "a", Where.HOT), ("", "b", Where.HOT), ("bank", "c", Where.HOT)]
        of.append(("shop", "d", Where.ARCHIVE))
        for tenant, name, place in of:
            one = Deletion(name, tenant, place, Reason.EXPIRED, name, 7, signal="logs", last_ns=9)
            await record.note([one])
        found = await control.read(lambda connection: deletions.hot(connection, "shop", 2))
        assert found == [Gone("logs", "", 0, 9)] * 2
        found = await control.read(lambda connection: deletions.hot(connection, "shop", 1))
        assert found == [Gone("", "", 0, 0)]

    Place(tmp_path / "control").use(work)


def test_one_deep_verification_runs_at_a_time_and_what_is_whole_again_is_not_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deep, "AGAIN_S", 0.0)
    first, second = (Differing("agent-a", 7, seq, 1, 2, 2, 2, False) for seq in (1, 2))

    answers = [[first, second], [second]]

    class Frames:
        async def compare(self, tenant: str, since_ns: int, *_: Any) -> Compared:
            assert since_ns == clock.wall_ns() - limits.FRAMES_KEPT_DAYS * 24 * 60 * MINUTE_NS
            with pytest.raises(StoreError, match="another"):
                await reports.of(tenant, since_ns)
            return Compared(9, 90, answers.pop(0))

    clock = ManualClock(30_000_000 * MINUTE_NS)

    async def work(control: Control) -> None:
        nonlocal reports
        reports = DeepReports(Frames(), lambda: Position(1, 1), control, clock)
        report = await reports.of("shop", 0)
        assert (report.frames, report.rows, report.differing) == (9, 90, [second])

    reports: DeepReports
    Place(tmp_path / "control").use(work)


def test_counts_are_kept_before_the_queue_holds_much_for_them() -> None:
    tally = Tally(full_bytes=100)
    tally.following = True
    header = Header("shop", "agent-a", 7, 1, 5, 40, 9, 5 * MINUTE_NS)
    for _ in range(2):
        assert not tally.wanted(header)
    assert not tally.full.is_set()
    tally.wanted(header)
    assert tally.full.is_set()
    (counted,) = tally.take().values()
    assert (counted.frames, counted.rows, counted.checksum) == (3, 15, 27)
    tally.wanted(header)
    assert not tally.full.is_set()
