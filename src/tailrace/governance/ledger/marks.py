"""How far the frames of each numbering are delivered, and how far that was checked."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from tailrace.core import limits, log
from tailrace.core.fleet import Settled
from tailrace.core.ledger import Numbering, Span, in_turn
from tailrace.governance.ledger.known import of
from tailrace.governance.schema import LEDGER_MARKS

_log = log.get("governance")
_c = LEDGER_MARKS.c
# A quiet agent's mark is written anew so seldom.
_KEEP_NS = 86_400_000_000_000
# Frames of one numbering in one look.
SHARE = limits.LEDGER_NUMBERS // 10


class Mark(msgspec.Struct):
    """`checked_seq`: what became of every frame below it was looked at, written at `kept_ns`.
    `from_seq`, `before_seq` and `next_seq` are what the agent said, at `heard_ns`."""

    checked_seq: int
    kept_ns: int
    heard_ns: int
    from_seq: int = 0
    before_seq: int = 0
    next_seq: int = 0


class Marks:
    """Those of all tenants, in memory; the functions below keep them."""

    def __init__(self, opened_ns: int) -> None:
        """`opened_ns`: an epoch that began later began under this server."""
        self._opened_ns = opened_ns
        self._marks: OrderedDict[Numbering, Mark] = OrderedDict()

    def load(self, found: Iterable[tuple[Numbering, int, int]]) -> None:
        """As they were kept: `checked_seq` and `at_ns`."""
        for one, checked_seq, at_ns in found:
            self._marks[one] = Mark(checked_seq, at_ns, at_ns)

    def knows(self, one: Numbering) -> bool:
        return one in self._marks

    def checked_seq(self, one: Numbering) -> int:
        """Of one that is known."""
        return self._marks[one].checked_seq

    def beginning(self, one: Numbering, said: Settled) -> int:
        """From which frame on a numbering is checked that was not heard of before.

        Where its epoch began under this server that is its first. Else what was numbered already
        may have gone to another server, or to this one before its data was lost.
        """
        others = (other for other in self._marks if other.source == one.source)
        elsewhere = any(other.epoch == one.epoch for other in others)
        fresh = one.epoch > self._opened_ns and not elsewhere
        return said.from_seq if fresh else said.next_seq

    def begin(self, one: Numbering, checked_seq: int, now_ns: int) -> list[Numbering]:
        """Follow it from here on; who is forgotten for it, the longest unheard."""
        self._marks.setdefault(one, Mark(checked_seq, now_ns, now_ns))
        alike = [other for other in self._marks if other.tenant == one.tenant]
        if len(alike) <= limits.NUMBERINGS_PER_TENANT:
            return []
        _log.warning("more numberings than the ledger follows; the longest unheard goes")
        gone = min(alike, key=lambda other: self._marks[other].heard_ns)
        del self._marks[gone]
        return [gone]

    def hear(self, one: Numbering, said: Settled, now_ns: int) -> None:
        """An agent said how far it is. What it said before stands when it says less now."""
        if (mark := self._marks.get(one)) is not None:
            mark.heard_ns = now_ns
            mark.from_seq = max(said.from_seq, mark.from_seq)
            mark.before_seq = max(said.before_seq, mark.before_seq)
            mark.next_seq = max(said.next_seq, mark.next_seq)

    def waiting(self, tenant: str) -> dict[str, int]:
        """Frames that are numbered and not all delivered, by source, as it was said last."""
        found: dict[str, int] = {}
        for one, mark in self._marks.items():
            if one.tenant == tenant and mark.next_seq > mark.before_seq:
                found[one.source] = found.get(one.source, 0) + mark.next_seq - mark.before_seq
        return found

    def due(self) -> list[Span]:
        """What is delivered and not checked, within the limits of one look. Tenants take turns, and
        of each goes first who was looked at longest ago."""
        numbers, found = limits.LEDGER_NUMBERS, list[Span]()
        for span in in_turn(self._unchecked()):
            if len(found) == limits.LEDGER_SPANS or span.frames > numbers:
                break
            found.append(span)
            numbers -= span.frames
        return found

    def _unchecked(self) -> Iterator[Span]:
        """Of one numbering at most SHARE frames."""
        for one, mark in self._marks.items():
            first = max(mark.checked_seq, mark.from_seq)
            last = min(mark.before_seq, first + SHARE) - 1
            if first <= last:
                yield Span(one, first, last)

    def checked(self, span: Span, now_ns: int) -> None:
        """It was looked at. One that is forgotten meanwhile stays so."""
        if (mark := self._marks.get(span.numbering)) is not None:
            mark.checked_seq, mark.kept_ns = span.last_seq + 1, now_ns
            self._marks.move_to_end(span.numbering)

    def old(self, before_ns: int) -> list[Numbering]:
        """Forget those that were not heard of since then."""
        gone = [one for one, mark in self._marks.items() if mark.heard_ns < before_ns]
        for one in gone:
            del self._marks[one]
        return gone

    def heard_again(self) -> list[Numbering]:
        """Those that are to be written anew, so that it is known that they were heard of."""
        marks = self._marks.items()
        return [one for one, mark in marks if mark.heard_ns - mark.kept_ns > _KEEP_NS]

    def kept(self, one: Numbering, now_ns: int) -> None:
        """It was written."""
        self._marks[one].kept_ns = now_ns


def load(connection: Connection) -> list[tuple[Numbering, int, int]]:
    found = select(_c.tenant, _c.source, _c.epoch, _c.checked_seq, _c.at_ns).order_by(_c.at_ns)
    return [(Numbering(t, s, e), checked, at) for t, s, e, checked, at in connection.execute(found)]


def keep(connection: Connection, one: Numbering, checked_seq: int, now_ns: int) -> None:
    """New, or further than before."""
    values = {"checked_seq": checked_seq, "at_ns": now_ns}
    known = connection.execute(update(LEDGER_MARKS).where(of(LEDGER_MARKS, one)).values(values))
    if not known.rowcount:
        key = {"tenant": one.tenant, "source": one.source, "epoch": one.epoch}
        connection.execute(insert(LEDGER_MARKS).values(key | values))


def forget(connection: Connection, gone: Iterable[Numbering]) -> None:
    for one in gone:
        connection.execute(delete(LEDGER_MARKS).where(of(LEDGER_MARKS, one)))
