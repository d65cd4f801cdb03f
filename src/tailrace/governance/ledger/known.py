"""What the control store knows of frames that no table holds: those that agents lost, and those of
which the guard let nothing pass. Both are Witnesses."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    delete,
    func,
    insert,
    select,
    tuple_,
)

from tailrace.core import limits, log
from tailrace.core.clock import Clock
from tailrace.core.fleet import announces
from tailrace.core.frame import Header
from tailrace.core.ledger import Numbering, Range, Span, within
from tailrace.governance.control import Control
from tailrace.governance.ledger import away
from tailrace.governance.schema import LEDGER_GUARDED, LOSSES

_log = log.get("governance")
_g = LEDGER_GUARDED.c
_LARGEST = 2**63 - 1
# Frames that are noted before the bound is looked at again: counting costs milliseconds.
_BOUND_EVERY = 1_000


def of(table: Table, one: Numbering) -> ColumnElement[bool]:
    """The rows of one numbering."""
    c = table.c
    return and_(c.tenant == one.tenant, c.source == one.source, c.epoch == one.epoch)


class Lost:
    """Frames that agents said they lost."""

    def __init__(self, control: Control) -> None:
        self._control = control

    async def known(self, spans: Sequence[Span]) -> list[list[Range]]:
        """See Witness."""
        return await self._control.read(lambda connection: _each(connection, spans, _lost))


class GuardedAway:
    """Frames of agents of which the guard let no row pass, until the ledger has checked them."""

    def __init__(
        self,
        control: Control,
        clock: Clock,
        counted: Callable[[Sequence[Header]], None] = lambda headers: None,
    ) -> None:
        """`counted` hears of those that are not kept, each time."""
        self._control = control
        self._clock = clock
        self._counted = counted
        self._noted = 0

    async def note(self, headers: Sequence[Header]) -> None:
        """See Away. Frames whose senders announce nothing are not asked for, and not kept."""
        frames = {h.key: h for h in reversed(headers) if _is_kept(h)}
        self._counted([h for h in headers if not _is_kept(h)])
        if not frames:
            return
        now_ns = self._clock.wall_ns()
        self._noted += len(frames)
        bound = self._noted >= _BOUND_EVERY
        self._noted = 0 if bound else self._noted

        numbers: dict[Numbering, set[int]] = {}
        for h in frames.values():
            numbers.setdefault(Numbering(h.tenant, h.source, h.epoch), set()).add(h.seq)

        def write(connection: Connection) -> None:
            for one, found in numbers.items():
                key = (one.tenant, one.source, one.epoch)
                fresh = _note(connection, one, found, now_ns)
                away.add(connection, [frames[(*key, seq)] for seq in fresh])
            for tenant in {one.tenant for one in numbers} if bound else ():
                _bound(connection, tenant)

        await self._control.run(write)

    async def known(self, spans: Sequence[Span]) -> list[list[Range]]:
        """See Witness."""
        return await self._control.read(lambda connection: _each(connection, spans, _guarded))


def _is_kept(header: Header) -> bool:
    return announces(header.source) and 0 <= header.seq <= _LARGEST


def forget(connection: Connection, one: Numbering, below_seq: int) -> None:
    """Frames that are checked are not asked for again."""
    connection.execute(delete(LEDGER_GUARDED).where(of(LEDGER_GUARDED, one), _g.seq < below_seq))


def sweep(connection: Connection, before_ns: int) -> None:
    """Forget what is so old that nobody asks any more."""
    connection.execute(delete(LEDGER_GUARDED).where(_g.at_ns < before_ns))


def _each(
    connection: Connection,
    spans: Sequence[Span],
    ask: Callable[[Connection, Span], list[Range]],
) -> list[list[Range]]:
    return [within(span, ask(connection, span)) for span in spans]


def _lost(connection: Connection, span: Span) -> list[Range]:
    c = LOSSES.c
    touched = and_(c.first_seq <= span.last_seq, c.last_seq >= span.first_seq)
    found = select(c.first_seq, c.last_seq).where(of(LOSSES, span.numbering), touched)
    return [(first, last) for first, last in connection.execute(found)]


def _guarded(connection: Connection, span: Span) -> list[Range]:
    inside = and_(_g.seq >= span.first_seq, _g.seq <= span.last_seq)
    found = select(_g.seq).where(of(LEDGER_GUARDED, span.numbering), inside)
    return [(seq, seq) for seq in connection.execute(found).scalars()]


def _note(connection: Connection, one: Numbering, numbers: set[int], now_ns: int) -> list[int]:
    """Sent again they are noted once; those that were not known."""
    known = _guarded(connection, Span(one, min(numbers), max(numbers)))
    key = {"tenant": one.tenant, "source": one.source, "epoch": one.epoch, "at_ns": now_ns}
    fresh = sorted(numbers - {seq for seq, _ in known})
    if fresh:
        connection.execute(insert(LEDGER_GUARDED), [{**key, "seq": seq} for seq in fresh])
    return fresh


def _bound(connection: Connection, tenant: str) -> None:
    counted = select(func.count()).select_from(LEDGER_GUARDED).where(_g.tenant == tenant)
    over = connection.execute(counted).scalar_one() - limits.GUARDED_AWAY_PER_TENANT
    if over > 0:
        _log.warning(
            "more guarded frames than are remembered; the oldest go", extra={"count": over}
        )
        key = (_g.tenant, _g.source, _g.epoch, _g.seq)
        oldest = select(*key).where(_g.tenant == tenant).order_by(_g.at_ns).limit(over)
        connection.execute(delete(LEDGER_GUARDED).where(tuple_(*key).in_(oldest)))
