"""The ledger, read: what was received of a source and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tailrace.core import limits
from tailrace.core.bounds import Terms
from tailrace.core.contracts import Position
from tailrace.core.ledger import Balance, Counted, Period, Said
from tailrace.store import sql
from tailrace.store.engine import Engine
from tailrace.store.ledger import between

# What a lane's reader records of each frame; those of the lane `both` are archived from the hot
# table, unless another copy was archived before.
_KINDS = ("received", "hot", "bulk", "hot_twice", "bulk_twice", "hot_dead", "bulk_dead", "away")
_SUMS = (
    ("f", "Frames"), ("r", "Rows"), ("b", "Bytes"), ("c", "Checksum"), ("g", "Guarded"),
    ("q", "ReadRows"),
)  # fmt: skip
# Signed, since they are subtracted; of checksums only the 64 bits count.
_INNER = ", ".join(
    f"toInt64(sumIf({name}, Kind = '{kind}')) AS {kind}_{letter}"
    for kind in _KINDS
    for letter, name in _SUMS
)
_BULK = "Lane IN ('bulk', 'diverted')"


def _of(kind: str, letter: str) -> str:
    """What became of the frames of a lane, as its own reader recorded it."""
    return f"if({_BULK}, bulk{kind}_{letter}, hot{kind}_{letter})"


def _handled(letter: str) -> str:
    return f"({_of('', letter)} + {_of('_twice', letter)} + {_of('_dead', letter)})"


def _counted(of: dict[str, str]) -> str:
    return ", ".join(f"toUInt64(sum({of[letter]}))" for letter in "frbcg")


_ARCHIVED = {
    letter: f"multiIf({_BULK}, bulk_{letter}, "
    f"Lane = 'both', hot_{letter} - bulk_twice_{letter}, toInt64(0))"
    for letter in "frbcg"
}
_FRAMES = f"received_f - {_handled('f')}"
_OUTER = ", ".join(
    (
        _counted({letter: f"received_{letter}" for letter in "frbcg"}),
        _counted({letter: f"hot_{letter}" for letter in "frbcg"}),
        _counted(_ARCHIVED),
        _counted({letter: _of("_twice", letter) for letter in "frbcg"}),
        _counted({letter: _of("_dead", letter) for letter in "frbcg"}),
        "sum(received_g + away_r)",
        "sumIf(bulk_r, Lane = 'diverted')",
        "sumIf(bulk_r, Lane = 'bulk')",
        "sumIf(hot_r, Lane = 'hot')",
        # Frames of which only the checksums differ are one frame that does.
        f"sum(if({_FRAMES} = 0, toInt64(received_c != {_handled('c')}), toInt64(abs({_FRAMES}))))",
        f"sum(abs(received_r - {_handled('q')}))",
        f"sum({_handled('q')}) - sum({_handled('r')})",
    )
)


# A day of 1,000 sources is 1.4 million sums of 48 numbers: as they are read in their order, none
# of them waits for the others.
_IN_ORDER = Terms(
    settings={
        "optimize_aggregation_in_order": 1,
        "aggregation_in_order_max_block_bytes": 4 * limits.MIB,
        "max_block_size": 8192,
        "max_threads": 1,
    }
)


# What came less what its lane's reader handled.
_SIGN = f"""multiIf(Kind = 'received', 1,
startsWith(Kind, if({_BULK}, 'bulk', 'hot')), -1, 0)"""
_CHECK = f"""SELECT sum(if(f = 0, toInt64(c != 0), toInt64(abs(f)))), sum(abs(q)) FROM (
SELECT sum({_SIGN} * toInt64(Frames)) AS f, sum({_SIGN} * toInt64(Checksum)) AS c,
sum({_SIGN} * toInt64(if(Kind = 'received', Rows, ReadRows))) AS q
FROM ledger WHERE {{where}} GROUP BY Tenant, Minute, Source, Lane)"""


def _where(tenant: str, period: Period, source: str) -> str:
    mine = f" AND Source = {sql.text(source)}" if source else ""
    whose = f"Tenant = {sql.text(tenant)}" if tenant else "Tenant != ''"
    return (
        f"{whose} AND Minute >= toDateTime({period.first * 60}, 'UTC') "
        f"AND Minute < toDateTime({period.end * 60}, 'UTC'){mine}"
    )


class Balances:
    """Questions to the ledger's tables. Raises StoreError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def of(
        self, tenant: str, period: Period, source: str = "", most: int = 0
    ) -> list[Balance]:
        """By source and, where the period has steps, by their first minutes; ascending, at most so
        many. `tenant` "" is all together, as one source."""
        bucket = f"intDiv(toUInt32(Minute), {period.step * 60}) * {period.step}"
        bucket = bucket if period.step else "0"
        name = "Source" if tenant else "''"
        found = await self._engine.rows(
            f"SELECT {name} AS Whose, {bucket} AS Step, {_OUTER} FROM (\n"
            f"SELECT Tenant, Source, Minute, Lane, {_INNER} FROM ledger\n"
            f"WHERE {_where(tenant, period, source)} GROUP BY Tenant, Minute, Source, Lane)\n"
            f"GROUP BY Whose, Step ORDER BY Whose, Step" + (f" LIMIT {most}" if most else ""),
            terms=_IN_ORDER,
        )
        return [_balance(row) for row in found]

    async def check(self, period: Period) -> tuple[int, int, dict[str, int]]:
        """Of all tenants: unexplained frames and rows, and rows by what became of them. A quarter
        of the price of `of`."""
        where = _where("", period, "")
        [(frames, rows)] = await self._engine.rows(_CHECK.format(where=where), terms=_IN_ORDER)
        found = await self._engine.rows(
            "SELECT Kind, Lane IN ('bulk', 'diverted'), Lane = 'both', sum(Rows) FROM ledger "
            f"WHERE {where} GROUP BY 1, 2, 3"
        )
        kinds: Counter[str] = Counter()
        for kind, bulk, both, count in found:
            name = str(kind)
            kinds[name.removeprefix("hot_").removeprefix("bulk_")] += int(count)
            if name == "bulk" or (name == "hot" and both):
                kinds["archived"] += int(count)
            if name == "bulk_twice" and not bulk:  # another copy of it was archived
                kinds["archived"] -= int(count)
                kinds["twice"] -= int(count)
        return int(frames), int(rows), dict(kinds)

    async def open(self, tenant: str, after: Position) -> dict[str, Counted]:
        """What came after a place, by source: what became of it is not recorded."""
        upto = Position(2**63, 0)
        found = await self._engine.rows(
            "SELECT Source, sum(Frames), sum(Rows) FROM ledger_open "
            f"WHERE {between(after, upto)} AND Tenant = {sql.text(tenant)} AND Kind = 'received' "
            "GROUP BY Source"
        )
        return {str(source): Counted(int(f), int(r)) for source, f, r in found}

    async def said(self, tenant: str, period: Period, source: str = "") -> list[Said]:
        """What agents said more in each step (or the whole) of a period than before it."""
        step = period.step or max(1, period.end - period.first)
        early = Period(max(0, period.first - _REMEMBERED), period.end, 0)
        found = await self._engine.rows(
            "SELECT Source, Reason, Run, "
            f"if(toUInt32(Minute) < {period.first * 60}, -1, "
            f"toInt64(intDiv(intDiv(toUInt32(Minute), 60) - {period.first}, {step}))) AS Step, "
            "argMax(Frames, Upto), argMax(Rows, Upto), argMax(Bytes, Upto), "
            "argMax(Checksum, Upto), argMin(Frames, (Minute, Upto)), argMin(Rows, (Minute, Upto)), "
            "argMin(Bytes, (Minute, Upto)), argMin(Checksum, (Minute, Upto)) "
            f"FROM ledger_said WHERE {_where(tenant, early, source)} "
            "GROUP BY Source, Reason, Run, Step ORDER BY Source, Reason, Run, Step"
        )
        return _differences(found, period, step)


# Minutes before a period in which an agent's last words count as what it said before: agents that
# were silent for longer are forgotten too.
_REMEMBERED = 35 * 24 * 60


def _balance(row: Sequence[object]) -> Balance:
    numbers = [int(str(value)) for value in row[1:]]
    counted = [Counted(*numbers[1 + 5 * place : 6 + 5 * place]) for place in range(5)]
    guarded, diverted, bulk, hot, frames, rows, repaired = numbers[26:33]
    return Balance(
        source=str(row[0]),
        minute=numbers[0],
        received=counted[0],
        hot=counted[1],
        archived=counted[2],
        twice=counted[3],
        dead=counted[4],
        guarded_rows=guarded,
        diverted_rows=diverted,
        sampled_rows=max(0, bulk - hot),
        repaired_rows=repaired,
        unexplained_frames=frames,
        unexplained_rows=rows,
    )


def _differences(found: Sequence[Sequence[object]], period: Period, step: int) -> list[Said]:
    """Of what is said in all, from one step to the next; the first that is known is where it
    begins."""
    result: list[Said] = []
    before: tuple[object, ...] = ()
    last = [0, 0, 0, 0]
    for row in found:
        numbers = [int(str(value)) for value in row[4:]]
        if before != tuple(row[:3]):
            before, last = tuple(row[:3]), numbers[4:]
        more = [now - then for now, then in zip(numbers[:4], last, strict=True)]
        last = numbers[:4]
        place = int(str(row[3]))
        if place >= 0 and any(more):
            minute = period.first + place * step if period.step else 0
            counted = Counted(more[0], more[1], more[2], more[3] % 2**64)
            result.append(Said(str(row[0]), str(row[1]), minute, counted))
    return result
