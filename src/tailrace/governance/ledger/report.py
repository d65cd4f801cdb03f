"""The ledger's answer: for each source what it sent, what was received and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

import msgspec
from sqlalchemy import Connection

from tailrace.core import limits
from tailrace.core.clock import Clock
from tailrace.core.contracts import Position
from tailrace.core.errors import Busy, StoreError
from tailrace.core.ledger import Balance, Counted, Period, Said
from tailrace.core.ledgerreport import Amount, Line, Report, Unexplained
from tailrace.core.metrics import Metrics
from tailrace.governance import deletions, losses
from tailrace.governance.control import Control
from tailrace.governance.ledger import away
from tailrace.governance.ledger.books import Books
from tailrace.governance.ledger.ledger import Ledger
from tailrace.governance.ledger.tally import MINUTE_NS

_T = TypeVar("_T")
DAY_MINUTES = 24 * 60
# The last day is checked for at most one part of so many of the time.
CHECKING_SHARE = 200


class Balances(Protocol):
    """The books, read; see store.balance.Balances."""

    async def of(
        self, tenant: str, period: Period, source: str = "", most: int = 0
    ) -> list[Balance]: ...

    async def check(self, period: Period) -> tuple[int, int, dict[str, int]]: ...

    async def open(self, tenant: str, after: Position) -> dict[str, Counted]: ...

    async def said(self, tenant: str, period: Period, source: str = "") -> list[Said]: ...


class Reports:
    """What was counted and recorded, put together."""

    def __init__(
        self,
        balances: Balances,
        books: Books,
        ledger: Ledger,
        control: Control,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._balances = balances
        self._books = books
        self._ledger = ledger
        self._control = control
        self._clock = clock
        self._metrics = metrics
        self._checked_s = float("-inf")
        self._checking_s = 0.0

    async def of(self, tenant: str, period: Period, source: str = "") -> Report:
        """As of now. Raises StoreError."""
        try:
            await self._books.freshen()
        except (Busy, OSError) as error:
            raise StoreError(f"the queue: {error}") from error
        most = limits.LEDGER_LINES
        found = await self._balances.of(tenant, period, source, most + 1)
        since_ns = period.first * MINUTE_NS
        noted = await self._control.read(
            partial(_noted, tenant=tenant, period=period, source=source)
        )
        said = await self._balances.said(tenant, period, source)
        whole = _Whole() if period.step else await self._whole(tenant, source, noted.lost)
        whole.guarded = noted.guarded
        lines = list(_lines(found[:most], said, whole))
        return Report(
            since_ns=since_ns,
            until_ns=period.end * MINUTE_NS,
            sources=lines,
            truncated=len(found) > most,
            unexplained=_sum(line.unexplained for line in lines),
            deleted=noted.deleted,
        )

    async def _whole(self, tenant: str, source: str, lost: dict[str, dict[str, int]]) -> _Whole:
        """What is known of sources and not of minutes."""
        flight = await self._balances.open(tenant, self._books.balanced)
        for name, counted in self._books.came(tenant).items():
            flight[name] = _both(flight.get(name, Counted()), counted)
        missing: Counter[str] = Counter()
        for gap in self._ledger.gaps(tenant):
            missing[gap.source] += gap.frames
        whole = _Whole(lost, flight, missing, self._ledger.waiting(tenant))
        return whole.of(source) if source else whole

    async def check(self) -> None:
        """Set the metrics of what is unexplained of the last day, of all tenants; not in every call
        where that takes long. Raises StoreError."""
        began_s = self._clock.monotonic_s()
        if began_s < self._checked_s + CHECKING_SHARE * self._checking_s:
            return
        now = self._clock.wall_ns() // MINUTE_NS
        period = Period(now - DAY_MINUTES, now + DAY_MINUTES)
        frames, rows, kinds = await self._balances.check(period)
        self._checked_s = self._clock.monotonic_s()
        self._checking_s = self._checked_s - began_s
        self._metrics.set("tailrace_ledger_unexplained_frames", frames)
        self._metrics.set("tailrace_ledger_unexplained_rows", rows)
        for kind in ("received", "hot", "archived", "twice", "dead"):
            self._metrics.set("tailrace_ledger_rows", kinds.get(kind, 0), kind)


class _Noted(NamedTuple):
    """What the control store knows: rows lost by source and reason, deleted by place and reason,
    and of frames that the guard let nothing pass of by source and step."""

    lost: dict[str, dict[str, int]]
    deleted: dict[str, dict[str, int]]
    guarded: dict[tuple[str, int], int]


class _Whole(msgspec.Struct):
    """By source: rows lost by reason, what is in flight, frames missing, frames at agents. And rows
    that the guard took with their frames, by source and step."""

    lost: Mapping[str, Mapping[str, int]] = {}
    flight: Mapping[str, Counted] = {}
    missing: Mapping[str, int] = {}
    waiting: Mapping[str, int] = {}
    guarded: Mapping[tuple[str, int], int] = {}

    def of(self, source: str) -> _Whole:
        """Of one alone."""
        return _Whole(
            _only(self.lost, source),
            _only(self.flight, source),
            _only(self.missing, source),
            _only(self.waiting, source),
        )

    @property
    def sources(self) -> set[str]:
        return {*self.lost, *self.flight, *self.missing, *self.waiting}


def _only(part: Mapping[str, _T], source: str) -> Mapping[str, _T]:
    return {source: part[source]} if source in part else {}


def _noted(connection: Connection, tenant: str, period: Period, source: str) -> _Noted:
    since_ns = period.first * MINUTE_NS
    return _Noted(
        losses.sums(connection, tenant, since_ns),
        deletions.sums(connection, tenant, since_ns),
        away.sums(connection, tenant, period, source),
    )


def _lines(found: Iterable[Balance], said: Iterable[Said], whole: _Whole) -> Iterable[Line]:
    balances = {(one.source, one.minute): one for one in found}
    words: dict[tuple[str, int], dict[str, Counted]] = {}
    for one in said:
        of = words.setdefault((one.source, one.minute), {})
        of[one.reason] = _both(of.get(one.reason, Counted()), one.counted)
    keys = balances.keys() | words.keys() | whole.guarded.keys()
    keys |= {(source, 0) for source in whole.sources}
    for source, minute in sorted(keys):
        balance = balances.get((source, minute)) or _nothing(source, minute)
        yield _line(balance, words.get((source, minute), {}), whole)


def _line(one: Balance, said: Mapping[str, Counted], whole: _Whole) -> Line:
    reasons = {
        "sampled": one.sampled_rows,
        "throttled": one.diverted_rows,
        "guard_dropped": one.guarded_rows + whole.guarded.get((one.source, one.minute), 0),
        "dead_lettered": one.dead.rows,
        "repaired": one.repaired_rows,
        **{f"left_out_{reason}": counted.rows for reason, counted in said.items() if reason},
        **{f"lost_{reason}": rows for reason, rows in whole.lost.get(one.source, {}).items()},
    }
    # What an agent lost it has dropped too, and says so both ways.
    lost = {f"left_out_{reason}" for reason in whole.lost.get(one.source, {})}
    missing = whole.missing.get(one.source, 0)
    flight = whole.flight.get(one.source, Counted())
    return Line(
        source=one.source,
        from_ns=one.minute * MINUTE_NS,
        sent=_amount(said[""]) if "" in said else None,
        received=_amount(_both(one.received, flight)),
        stored_hot=_amount(one.hot),
        archived=_amount(one.archived),
        duplicates=_amount(one.twice),
        reasons={name: rows for name, rows in reasons.items() if rows and name not in lost},
        in_flight=_amount(flight),
        waiting_frames=whole.waiting.get(one.source, 0),
        unexplained=Unexplained(one.unexplained_frames + missing, one.unexplained_rows, missing),
    )


def _nothing(source: str, minute: int) -> Balance:
    none = Counted()
    return Balance(source, minute, none, none, none, none, none, 0, 0, 0, 0, 0, 0)


def _both(one: Counted, other: Counted) -> Counted:
    pairs = zip(msgspec.structs.astuple(one), msgspec.structs.astuple(other), strict=True)
    return Counted(*(a + b for a, b in pairs))


def _amount(one: Counted) -> Amount:
    return Amount(one.frames, one.rows, one.bytes, f"{one.checksum % 2**64:016x}")


def _sum(found: Iterable[Unexplained]) -> Unexplained:
    every = list(found)
    return Unexplained(
        sum(one.frames for one in every),
        sum(one.rows for one in every),
        sum(one.missing_frames for one in every),
    )
