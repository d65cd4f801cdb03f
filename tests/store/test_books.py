"""The books against a list: whatever comes twice, is given up or crashes, nothing is unexplained
but what the test takes away, and that is named by source and minute."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.core import limits
from tailrace.core.clock import ManualClock
from tailrace.core.contracts import BULK_LANES, HOT_LANES, Delivery, Position
from tailrace.core.errors import StoreError
from tailrace.core.frame import Frame, Header, Lane
from tailrace.core.ledger import Numbering, Period, Saying, Span
from tailrace.core.metrics import Metrics
from tailrace.governance.ledger.books import NAME, Books
from tailrace.governance.ledger.tally import MINUTE_NS, Tally
from tailrace.queue.files import OsFileSystem
from tailrace.queue.log import SegmentLog
from tailrace.store.balance import Balances
from tailrace.store.engine import Engine
from tailrace.store.framenumbers import BLOCK, FrameNumbers
from tailrace.store.framerecord import FrameRecord
from tailrace.store.ledger import LedgerTable
from tailrace.store.logs import LogTable

from .conftest import Use

START = 30_000_000
ALL = Period(START - 10, START + 100)
SOURCES = ("agent-a", "agent-a#1", "client-5f", "gateway-7")


class FailingTable(LedgerTable):
    """Fails when it is told to: before it did something, or after."""

    fails = ""

    async def keep(self, counts: object, upto: Position) -> None:
        await self._failing(super().keep(counts, upto))  # type: ignore[arg-type]

    async def balance(self, handled: Position, today: object) -> Position:
        return await self._failing(super().balance(handled, today))  # type: ignore[arg-type]

    async def _failing(self, work: object) -> object:
        fails, self.fails = self.fails, ""
        if fails == "before":
            work.close()  # type: ignore[attr-defined]
            raise StoreError("it failed before")
        done = await work  # type: ignore[misc]
        if fails:
            raise StoreError("it failed after")
        return done


class Machine:
    """A server's queue and books on a real engine. Writer and archiver are the test: what they do
    not record is taken away. `taken` counts it by source and minute."""

    def __init__(self, engine: Engine, path: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.engine = engine
        self.path = path
        self.clock = ManualClock(START * MINUTE_NS)
        self.table = FailingTable(engine)
        self.tables = [LogTable(engine, "logs", stage, path) for stage in ("hot", "bulk")]
        self.known: list[set[tuple[str, str, int, int]]] = [set(), set()]
        self.sent: list[Frame] = []
        self.received: Counter[str] = Counter()
        self.taken: Counter[tuple[str, int]] = Counter()
        self.guarded = 0

    async def start(self) -> None:
        names = frozenset({"writer", "archiver", NAME})
        self.queue = SegmentLog(
            self.path, OsFileSystem(), self.clock, Metrics(), names,
            segment_bytes=3_000, disk_reserve_bytes=0,
        )  # fmt: skip
        await self.queue.open()
        self.readers = [
            self.queue.consumer("writer", HOT_LANES), self.queue.consumer("archiver", BULK_LANES),
        ]  # fmt: skip
        self.tally = Tally()
        self.books = Books(
            self.table, self.queue, self.tally, self.clock, FrameNumbers(self.engine).forget
        )
        await self.books.open()
        self.queue.follow(self.tally.wanted, 0)

    async def crash(self) -> None:
        """What is in memory is gone."""
        await self.queue.close(0.0)
        await self.start()

    def frame(self) -> Frame:
        pick = self.random
        if self.sent and pick.random() < 0.2:
            return pick.choice(self.sent)
        lane = pick.choice(list(Lane))
        received_ns = self.clock.wall_ns() - pick.choice([0, 0, 0, 7 * MINUTE_NS])
        return Frame(
            Header(
                "shop", pick.choice(SOURCES), 1, len(self.sent), pick.randint(1, 9), 50,
                pick.getrandbits(64), received_ns, lane, guarded=pick.choice([0, 0, 3]),
                diverted=lane is Lane.BULK and pick.random() < 0.5,
            ),
            b"x" * 200,
        )  # fmt: skip

    async def send(self) -> None:
        frames = [self.frame() for _ in range(self.random.randint(1, 6))]
        await self.queue.accept(frames)
        self.sent += frames
        for one in frames:
            self.received[name(one)] += 1
            self.guarded += one.header.guarded

    async def handle(self, loses: bool) -> None:
        for lane, reader in enumerate(self.readers):
            read = await reader.read(self.random.choice([60, 10_000]), 0.0)
            mine = [d for d in read if lane == 0 or d.frame.header.lane is Lane.BULK]
            await self._record(lane, mine, loses)
            if self.random.random() < 0.8:
                await reader.commit(reader.position)
            else:  # a crash before the commit: the same again
                await self._record_again(lane)
                await reader.commit(reader.position)

    async def _record(self, lane: int, read: Sequence[Delivery], loses: bool) -> None:
        stored, twice, dead = list[Delivery](), list[Delivery](), list[Delivery]()
        for d in read:
            key = d.frame.header.key
            if loses and self.random.random() < 0.3:
                self.taken[(name(d.frame), d.frame.header.received_ns // MINUTE_NS)] += 1
            elif key in self.known[lane]:
                twice.append(d)
            elif self.random.random() < 0.1:
                dead.append(d)
            else:
                self.known[lane].add(key)
                stored.append(d)
        self.last = (stored, twice, dead)
        await self.tables[lane].remember(*self.last)

    async def _record_again(self, lane: int) -> None:
        await self.tables[lane].remember(*self.last)

    async def step(self, loses: bool) -> None:
        does = self.random.choice(["send", "send", "handle", "turn", "turn", "crash", "fail", "go"])
        if does == "send":
            await self.send()
        elif does == "handle":
            await self.handle(loses)
        elif does == "crash":
            await self.crash()
        elif does == "go":
            self.clock.advance(self.random.choice([1, 60]))
        elif does == "fail":
            self.table.fails = self.random.choice(["before", "after"])
        else:
            await self.turn()

    async def turn(self) -> None:
        try:
            await self.books.turn()
            if self.random.random() < 0.3:
                await self.table.tidy(self.books.balanced)
        except StoreError:
            pass

    async def settle(self) -> None:
        self.table.fails = ""
        await self.turn()
        while any([await reader.lag_bytes() for reader in self.readers]):
            await self.handle(False)
        await self.books.turn()


def name(frame: Frame) -> str:
    return frame.header.source.partition("#")[0].partition("-5f")[0]


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 1 << 30), loses=st.booleans(), few=st.booleans())
def test_nothing_is_unexplained_but_what_was_taken_away(
    use: Use, tmp_path_factory: object, seed: int, loses: bool, few: bool
) -> None:
    async def body(_: LogTable, engine: Engine) -> None:
        path = tmp_path_factory.mktemp("queue")  # type: ignore[attr-defined]
        for table in ("frames", "ledger", "ledger_open"):
            await engine.write(f"TRUNCATE TABLE {table}")
        machine = Machine(engine, path, seed)
        before, limits.LEDGER_COUNTS = limits.LEDGER_COUNTS, 4 if few else 1_000
        try:
            await machine.start()
            for _ in range(30):
                await machine.step(loses)
            await machine.settle()
            found = await Balances(engine).of("shop", ALL._replace(step=1))
        finally:
            limits.LEDGER_COUNTS = before
            await machine.queue.close(0.0)
        received: Counter[str] = Counter()
        for one in found:
            received[one.source] += one.received.frames
        assert received == machine.received
        unexplained = {(o.source, o.minute): o.unexplained_frames for o in found}
        assert {key: n for key, n in unexplained.items() if n} == machine.taken
        assert sum(o.guarded_rows for o in found) == machine.guarded
        assert not await Balances(engine).open("shop", machine.books.balanced)
        frames, rows, kinds = await Balances(engine).check(ALL)
        assert (frames, rows) == (
            sum(machine.taken.values()), sum(o.unexplained_rows for o in found),
        )  # fmt: skip
        for kind in ("received", "hot", "archived", "twice", "dead"):
            assert kinds.get(kind, 0) == sum(getattr(o, kind).rows for o in found), kind

    use(body)


def test_minutes_go_after_two_years(use: Use, tmp_path: Path) -> None:
    async def body(_: LogTable, engine: Engine) -> None:
        table, now = LedgerTable(engine), datetime(2026, 11, 28, tzinfo=UTC)
        days = limits.LEDGER_DAYS
        for back in (days + 62, days - 1):
            then = now - timedelta(days=back)
            await table.begin(Position(back, 0), int(then.timestamp() * 1e9))
            minute = int(then.timestamp()) // 60
            await table.say([Saying("shop", "agent-a", "", 1, minute, 1, 1, 1, 1, back)])
        await table.expire((now - timedelta(days=days)).date())
        kept = await engine.rows("SELECT Source FROM ledger")
        assert [str(place).lstrip("0") for (place,) in kept] == [f"{days - 1}-{0:020d}"]
        assert await engine.rows("SELECT Upto FROM ledger_said") == [(days - 1,)]

    use(body)


def test_what_agents_say_is_counted_from_where_they_were_first_heard(use: Use) -> None:
    def said(minute: int, rows: int, run: int = 7, source: str = "agent-a") -> Saying:
        return Saying("shop", source, "", run, minute, rows, rows, rows, rows - 1, rows)

    async def body(_: LogTable, engine: Engine) -> None:
        table = LedgerTable(engine)
        await table.say([said(10, 50), said(20, 80), said(20, 90), said(21, 100), said(90, 130)])
        await table.say([said(20, 80), said(21, 100), said(20, 5, run=8), said(21, 6, run=8)])

        async def found(first: int, end: int, step: int = 0) -> list[tuple[int, int]]:
            period = Period(first, end, step)
            of = await Balances(engine).said("shop", period, "agent-a")
            return [(one.minute, one.counted.rows) for one in of]

        assert await found(0, 100) == [(0, 80), (0, 1)]
        assert await found(20, 22) == [(0, 50), (0, 1)]
        assert await found(21, 100) == [(0, 40), (0, 1)]
        assert await found(20, 100, 1) == [(20, 40), (21, 10), (90, 30), (21, 1)]

    use(body)


def test_frames_of_long_ago_are_known_by_their_numbers(use: Use, tmp_path: Path) -> None:
    async def body(table: LogTable, engine: Engine) -> None:
        ledger, numbers = LedgerTable(engine), FrameNumbers(engine)
        now = datetime(2026, 11, 28, tzinfo=UTC)
        old = now.date() - timedelta(days=limits.FRAMES_KEPT_DAYS)
        last = BLOCK + 9
        seqs = (1, 2, 3, BLOCK - 1, BLOCK, last)
        headers = [Header("shop", "agent-o'x", 7, seq, 1, 1, 0, 5) for seq in seqs]
        headers += [Header("shop", "client-5f", 0, 0, 1, 1, 0, 5)]
        places = [Position(1, place) for place in range(1, len(headers) + 1)]
        await table.remember(list(map(Delivery, (Frame(h, b"") for h in headers), places)))
        await ledger.begin(places[-2], int(now.timestamp() * 1e9) - limits.FRAMES_KEPT_DAYS * DAY)
        await ledger.begin(places[-1], int(now.timestamp() * 1e9))

        assert await numbers.forget(old - timedelta(days=1)) == 0
        assert await numbers.forget(old) == len(headers) - 1
        await until_gone(engine)
        assert await engine.rows("SELECT Source FROM frames") == [("client-5f",)]
        assert await numbers.forget(old) == 0

        known = await table.remembered([*headers, Header("shop", "agent-o'x", 7, 4, 1, 1, 0, 5)])
        assert set(known) == {header.key for header in headers}
        assert await table.newest(headers[0]) == last
        span = Span(Numbering("shop", "agent-o'x", 7), 2, BLOCK)
        found = await FrameRecord(engine).known([span, Span(span.numbering, 4, 9)])
        assert found == [[(2, 3), (BLOCK - 1, BLOCK)], []]

    use(body)


DAY = 86_400_000_000_000


async def until_gone(engine: Engine) -> None:
    """Rows go in the background."""
    async with asyncio.timeout(30):
        while await engine.rows("SELECT 1 FROM system.mutations WHERE NOT is_done"):
            await asyncio.sleep(0.05)
