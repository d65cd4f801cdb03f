"""The ledger in the engine: what was received and what became of it, by tenant, source and minute.

    ledger_open   what was received, with the place in the queue up to which it is counted
    ledger        what was received and what was handled, of all places up to one
    ledger_said   what agents say they numbered in all, see said.py

The record of frames says of each place in the queue what became of it, `ledger_open` what came.
Once writer and archiver are past a place up to which is counted, both are added to `ledger` by
minute: in one insert, which is one part and so whole or not there, together with a row of the kind
`upto` whose Source is that place. What is at or before the last such place is never added again,
whatever a crash left in the other two tables; it is deleted from them when somebody has the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

import msgspec

from tailrace.core import limits
from tailrace.core.contracts import Position
from tailrace.core.ledger import CLIENTS, Counted, CountKey, Saying
from tailrace.store import sql
from tailrace.store.engine import Engine

UPTO = "upto"
_DIGITS = 20
_START = Position(0, 0)
# Whose frames they are in the ledger, see core.ledger.source_of.
SOURCE = f"if(startsWith(Source, '{CLIENTS}-'), '{CLIENTS}', splitByChar('#', Source)[1])"


class Boundary(NamedTuple):
    """A place up to which is counted what came, and how many rows of counts end there."""

    upto: Position
    counts: int


class LedgerTable:
    """What came into the queue, kept; and added up with what became of it. One caller at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def covered(self) -> Position | None:
        """The place up to which is counted what came; None before `begin`. Raises StoreError."""
        balanced = await self.balanced()
        found = await self._engine.rows(
            "SELECT Segment, Offset FROM ledger_open ORDER BY Segment DESC, Offset DESC LIMIT 1"
        )
        counted = Position(int(found[0][0]), int(found[0][1])) if found else _START
        return None if balanced is None else max(balanced, counted)

    async def balanced(self) -> Position | None:
        """The place up to which `ledger` says what became of everything."""
        found = await self._engine.rows(
            "SELECT max(Source), count() FROM ledger WHERE Tenant = '' AND Minute = 0 "
            f"AND Kind = '{UPTO}'"
        )
        place, rows = found[0]
        if not rows:
            return None
        return place_of(str(place))

    async def begin(self, at: Position, now_ns: int) -> None:
        """The first place: what came before it was not counted."""
        now = datetime.fromtimestamp(now_ns / 1e9, UTC)
        await self._engine.write(
            f"INSERT INTO ledger {_upto(at, now.date(), int(now.timestamp()))}"
        )

    async def heard(self, now_ns: int) -> tuple[dict[tuple[str, str, str, int], int], int]:
        """How far agents were heard that spoke lately: tenant, source, reason and run, with the
        last `upto`; and when the books were begun, UTC nanoseconds."""
        since = now_ns // 10**9 - int(limits.AGENT_MEMORY_S)
        found = await self._engine.rows(
            "SELECT Tenant, Source, Reason, Run, max(Upto) FROM ledger_said "
            f"WHERE Minute >= toDateTime({since}, 'UTC') GROUP BY Tenant, Source, Reason, Run"
        )
        heard = {(str(t), str(s), str(r), int(run)): int(upto) for t, s, r, run, upto in found}
        [(begun_s,)] = await self._engine.rows(
            f"SELECT sum(Rows) FROM ledger WHERE Tenant = '' AND Minute = 0 AND Kind = '{UPTO}'"
        )
        return heard, int(begun_s) * 10**9

    async def keep(self, counts: Mapping[CountKey, Counted], upto: Position) -> None:
        """All that came after the place before and up to this one, at once."""
        rows = ",".join(_count(key, counted, upto) for key, counted in counts.items())
        if rows:
            await self._engine.write(f"INSERT INTO ledger_open VALUES {rows}")

    async def boundaries(self, after: Position, upto: Position) -> list[Boundary]:
        """Places up to which is counted, in between, in their order."""
        found = await self._engine.rows(
            f"SELECT Segment, Offset, count() FROM ledger_open WHERE {between(after, upto)} "
            "GROUP BY Segment, Offset ORDER BY Segment, Offset"
        )
        return [Boundary(Position(int(s), int(o)), int(n)) for s, o, n in found]

    async def balance(self, handled: Position, today: date) -> Position:
        """Add up all that came and was handled up to the last place that is counted and not beyond
        `handled`, which is the new `balanced`."""
        after = await self.balanced() or _START
        upto, counts = after, 0
        for boundary in await self.boundaries(after, handled):
            counts += boundary.counts
            if counts > limits.LEDGER_COUNTS and upto > after:
                break
            upto = boundary.upto
        if upto > after:
            await self._engine.write(_added(after, upto, today))
        return upto

    async def tidy(self, upto: Position) -> None:
        """Delete counts that are added up."""
        await self._engine.write(
            f"ALTER TABLE ledger_open DELETE WHERE {between(_START, upto)} "
            "SETTINGS mutations_sync=2"
        )

    async def say(self, found: Sequence[Saying]) -> None:
        """What agents say in all."""
        rows = ",".join(map(_said, found))
        if rows:
            await self._engine.write(f"INSERT INTO ledger_said VALUES {rows}")

    async def expire(self, before: date) -> None:
        """Drop months of the ledger that ended before then."""
        for table in ("ledger", "ledger_said"):
            found = await self._engine.rows(
                "SELECT DISTINCT partition FROM system.parts WHERE active "
                f"AND database = currentDatabase() AND table = {sql.text(table)} "
                f"AND toUInt32OrZero(partition) < {before:%Y%m}"
            )
            for (month,) in found:
                await self._engine.write(f"ALTER TABLE {table} DROP PARTITION {int(month)}")


def place_of(text: str) -> Position:
    """As the Source of a row of the kind `upto` says it."""
    segment, _, offset = text.partition("-")
    return Position(int(segment), int(offset))


def between(after: Position, upto: Position) -> str:
    """Condition for places after one and up to another."""
    return (
        f"Segment >= {after.segment} AND Segment <= {upto.segment} "
        f"AND (Segment, Offset) > ({after.segment}, {after.offset}) "
        f"AND (Segment, Offset) <= ({upto.segment}, {upto.offset})"
    )


def _upto(at: Position, today: date, begun_s: int = 0) -> str:
    """`begun_s`: of the first one, when it was."""
    place = f"{at.segment:0{_DIGITS}d}-{at.offset:0{_DIGITS}d}"
    # A row whose sums are all 0 would go when parts are merged.
    return (
        f"SELECT '{UPTO}' AS Kind, '' AS Tenant, '{place}' AS Source, "
        f"toDateTime(0, 'UTC') AS Minute, '' AS Lane, toDate('{today}') AS Written, "
        f"1 AS Frames, {begun_s} AS Rows, 0 AS Bytes, 0 AS Checksum, 0 AS Guarded, 0 AS ReadRows"
    )


def _said(one: Saying) -> str:
    return (
        f"({sql.text(one.tenant)},{sql.text(one.source)},{sql.text(one.reason)},{one.run},"
        f"{one.minute * 60},{one.frames},{one.rows},{one.bytes},{one.checksum},{one.upto})"
    )


def _count(key: CountKey, counted: Counted, upto: Position) -> str:
    sums = ",".join(map(str, msgspec.structs.astuple(counted)))
    return (
        f"({sql.text(key.kind)},{sql.text(key.tenant)},{sql.text(key.source)},{key.minute * 60},"
        f"{sql.text(key.lane)},{sums},{upto.segment},{upto.offset})"
    )


# Of one place that has become two things, being read again after a crash: it is stored if it ever
# was, and a dead letter rather than there twice.
_HANDLED = f"""SELECT Stage, Tenant, {SOURCE} AS Whose, Lane, ReceivedNs, Rows, Bytes, Checksum,
Guarded, ReadRows FROM frames WHERE {{here}}
ORDER BY Stage LIMIT 1 BY startsWith(Stage, 'hot'), Segment, Offset"""
_ADDED = f"""INSERT INTO ledger SELECT * FROM (
SELECT Kind, Tenant, Source, Minute, Lane, toDate('{{today}}') AS Written, sum(Frames) AS Frames,
sum(Rows) AS Rows, sum(Bytes) AS Bytes, sum(Checksum) AS Checksum, sum(Guarded) AS Guarded,
0 AS ReadRows FROM ledger_open WHERE {{here}} GROUP BY Kind, Tenant, Source, Minute, Lane
UNION ALL
SELECT Stage AS Kind, Tenant, Whose AS Source,
toDateTime(intDiv(ReceivedNs, 60000000000) * 60, 'UTC') AS Minute, Lane,
toDate('{{today}}') AS Written, count() AS Frames, sum(Rows) AS Rows, sum(Bytes) AS Bytes,
sum(Checksum) AS Checksum, sum(Guarded) AS Guarded, sum(ReadRows) AS ReadRows
FROM ({_HANDLED}) GROUP BY Kind, Tenant, Source, Minute, Lane
UNION ALL
{{place}}
) ORDER BY Tenant, Minute, Source, Lane, Kind
SETTINGS max_threads=1, max_insert_threads=1, min_insert_block_size_rows=100000000,
min_insert_block_size_bytes=4000000000"""


def _added(after: Position, upto: Position, today: date) -> str:
    """An insert that is one block of rows, which becomes one part."""
    return _ADDED.format(here=between(after, upto), today=today, place=_upto(upto, today))
