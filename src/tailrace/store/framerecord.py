"""The record of frames, asked by their numbers."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from tailrace.core.ledger import Numbering, Range, Span, ranges
from tailrace.store import framenumbers, sql
from tailrace.store.engine import Engine

# Of one question. Each span costs a granule or a few, whose rows are compared with all of them:
# 2.3 ms of CPU where there are 20 or 10, 3.3 with 50, 8 with one.
SPANS_AT_ONCE = 20


class FrameRecord:
    """A Witness of what is stored or archived: each of those frames has a row, at some stage."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def known(self, spans: Sequence[Span]) -> list[list[Range]]:
        """See Witness. What it takes grows with the frames that are in the spans."""
        found: list[list[Range]] = []
        for start in range(0, len(spans), SPANS_AT_ONCE):
            found += await self._known(spans[start : start + SPANS_AT_ONCE])
        return found

    async def _known(self, spans: Sequence[Span]) -> list[list[Range]]:
        wanted = " OR ".join(map(_within, spans))
        here = f"SELECT Tenant, Source, Epoch, Seq FROM frames WHERE {wanted}"
        parts = "\nUNION ALL ".join([here, *map(framenumbers.within, spans)])
        rows = await self._engine.rows(
            "SELECT Tenant, Source, Epoch, arraySort(groupUniqArray(Seq)) "
            f"FROM ({parts}) GROUP BY Tenant, Source, Epoch"
        )
        numbers = {Numbering(str(t), str(s), int(e)): list(found) for t, s, e, found in rows}
        return [_part(span, numbers.get(span.numbering, [])) for span in spans]


def _within(span: Span) -> str:
    one = span.numbering
    return (
        f"(Tenant = {sql.text(one.tenant)} AND Source = {sql.text(one.source)} "
        f"AND Epoch = {one.epoch} AND Seq >= {span.first_seq} AND Seq <= {span.last_seq})"
    )


def _part(span: Span, numbers: Sequence[int]) -> list[Range]:
    first, end = bisect_left(numbers, span.first_seq), bisect_right(numbers, span.last_seq)
    return ranges(map(int, numbers[first:end]))
