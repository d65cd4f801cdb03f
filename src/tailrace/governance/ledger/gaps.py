"""Frames that are missing: delivered, as their agent says, and nowhere to be found."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from itertools import islice

import msgspec
from sqlalchemy import Connection, and_, delete, insert, select

from tailrace.core import limits, log
from tailrace.core.ledger import Numbering, Range, Span, in_turn
from tailrace.governance.ledger.known import of
from tailrace.governance.schema import LEDGER_GAPS

_log = log.get("governance")
_c = LEDGER_GAPS.c


class Gap(msgspec.Struct, frozen=True):
    """In an answer: `frames` from `first_seq` to `last_seq`, found missing at `found_ns`."""

    source: str
    epoch: int
    first_seq: int
    last_seq: int
    frames: int
    found_ns: int


class Change(msgspec.Struct):
    """Of the table of gaps: what goes from it and then what comes, with its `found_ns`."""

    gone: list[Span] = []
    come: list[tuple[Span, int]] = []


class Gaps:
    """Those of all tenants, in memory; `write` keeps them."""

    def __init__(self) -> None:
        self._found: OrderedDict[Span, int] = OrderedDict()

    def load(self, found: Iterable[tuple[Span, int]]) -> None:
        """As they were kept."""
        self._found.update(found)

    @property
    def frames(self) -> int:
        """How many are missing."""
        return sum(span.frames for span in self._found)

    def listed(self, tenant: str) -> list[Gap]:
        """The newest first."""
        mine = [(at, span) for span, at in self._found.items() if span.numbering.tenant == tenant]
        mine.sort(key=lambda one: (-one[0], one[1]))
        return [_gap(span, found_ns) for found_ns, span in mine]

    def some(self, most: int) -> list[Span]:
        """Those that were looked at longest ago; tenants take turns."""
        return list(islice(in_turn(self._found), most))

    def new(self, span: Span, missing: Sequence[Range], now_ns: int) -> Change:
        """What of a span that was never looked at is missing."""
        come = [(Span(span.numbering, first, last), now_ns) for first, last in missing]
        return Change(come=[one for one in come if one[0] not in self._found])

    def again(self, span: Span, missing: Sequence[Range]) -> Change:
        """What of a gap is still missing."""
        if span not in self._found:
            return Change()
        if list(missing) == [(span.first_seq, span.last_seq)]:
            self._found.move_to_end(span)
            return Change()
        found_ns = self._found[span]
        come = [(Span(span.numbering, first, last), found_ns) for first, last in missing]
        return Change([span], come)

    def old(self, before_ns: int) -> Change:
        """Those that are too old, and of a tenant's the oldest beyond the bound."""
        gone = [span for span, found_ns in self._found.items() if found_ns < before_ns]
        by_tenant: dict[str, list[Span]] = {}
        for span in self._found.keys() - set(gone):
            by_tenant.setdefault(span.numbering.tenant, []).append(span)
        for spans in by_tenant.values():
            if (over := len(spans) - limits.GAPS_PER_TENANT) > 0:
                _log.warning("more gaps than are remembered; the oldest go", extra={"count": over})
                gone += sorted(spans, key=lambda span: (self._found[span], span))[:over]
        return Change(gone)

    def apply(self, change: Change) -> None:
        """After it was written."""
        for span in change.gone:
            self._found.pop(span, None)
        self._found.update(change.come)


def _gap(span: Span, found_ns: int) -> Gap:
    one = span.numbering
    return Gap(one.source, one.epoch, span.first_seq, span.last_seq, span.frames, found_ns)


def load(connection: Connection) -> list[tuple[Span, int]]:
    columns = (_c.tenant, _c.source, _c.epoch, _c.first_seq, _c.last_seq, _c.found_ns)
    rows = connection.execute(select(*columns).order_by(_c.found_ns))
    return [(Span(Numbering(t, s, e), first, last), at) for t, s, e, first, last, at in rows]


def write(connection: Connection, change: Change) -> None:
    for span in change.gone:
        numbers = and_(_c.first_seq == span.first_seq, _c.last_seq == span.last_seq)
        connection.execute(delete(LEDGER_GAPS).where(of(LEDGER_GAPS, span.numbering), numbers))
    for span, found_ns in change.come:
        one = span.numbering
        key = {"tenant": one.tenant, "source": one.source, "epoch": one.epoch}
        size = {"first_seq": span.first_seq, "last_seq": span.last_seq, "found_ns": found_ns}
        connection.execute(insert(LEDGER_GAPS).values(key | size))
