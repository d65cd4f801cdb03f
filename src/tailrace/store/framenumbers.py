"""Numbers of frames whose rows in the record of frames are gone.

A frame that is sent again is known by its number for ever; what else its row in `frames` says is
asked for a few days. So rows become bits: of 65,536 numbers of a source and epoch one bitmap of
those that were known, which costs a bit for a frame. They are written before the rows go, and
written twice they are the same; so a crash in between costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from tailrace.core.contracts import Position
from tailrace.core.frame import Header
from tailrace.core.ledger import CLIENTS, Span
from tailrace.store import sql
from tailrace.store.engine import Engine
from tailrace.store.ledger import UPTO, between, place_of

BLOCK = 65_536
# Numberings and blocks of one question.
_AT_ONCE = 50
_START = Position(0, 0)
# Rows go when they are this part of all: a deletion writes the others anew.
_SHARE = 3
_Key = tuple[str, str, int, int]


class FrameNumbers:
    """Beside the table `frames`. Raises StoreError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def forget(self, until: date) -> int:
        """Rows of `frames` that were added up in the ledger until that day become numbers, if they
        are many; how many. Those that belong to requests with a key of their own are forgotten
        after as long again: nobody repeats a request for days."""
        upto = await self._balanced(until)
        if upto is None or await self._deleting():
            return 0
        old = between(_START, upto)
        [(count,)] = await self._engine.rows(f"SELECT count() FROM frames WHERE {old}")
        [(every,)] = await self._engine.rows("SELECT count() FROM frames")
        if not count or int(count) * _SHARE < int(every):
            return 0
        await self._engine.write(
            "INSERT INTO frame_numbers SELECT Tenant, Source, Epoch, "
            f"intDiv(Seq, {BLOCK}) AS Block, groupBitmapState(toUInt32(Seq % {BLOCK})), now() "
            f"FROM frames WHERE {old} GROUP BY Tenant, Source, Epoch, Block"
        )
        # In the background: the writer is not to wait for it.
        await self._engine.write(f"ALTER TABLE frames DELETE WHERE {old}")
        await self._engine.write(
            f"ALTER TABLE frame_numbers DELETE WHERE startsWith(Source, '{CLIENTS}-') "
            f"AND Noted < toDateTime('{until} 00:00:00', 'UTC')"
        )
        return int(count)

    async def _balanced(self, until: date) -> Position | None:
        [(place, rows)] = await self._engine.rows(
            "SELECT max(Source), count() FROM ledger WHERE Tenant = '' AND Minute = 0 "
            f"AND Kind = '{UPTO}' AND Written <= '{until}'"
        )
        return place_of(str(place)) if rows else None

    async def _deleting(self) -> bool:
        [(left,)] = await self._engine.rows(
            "SELECT count() FROM system.mutations WHERE NOT is_done "
            "AND database = currentDatabase() AND table = 'frames'"
        )
        return bool(left)

    async def among(self, headers: Sequence[Header]) -> set[_Key]:
        """Keys of those frames whose numbers are known here."""
        wanted: dict[tuple[str, str, int, int], list[int]] = {}
        for h in headers:
            wanted.setdefault((h.tenant, h.source, h.epoch, h.seq // BLOCK), []).append(h.seq)
        found: set[_Key] = set()
        for some in _batches(wanted.items()):
            rows = await self._engine.rows(
                " UNION ALL ".join(_known(block, numbers) for block, numbers in some)
            )
            for tenant, source, epoch, block, numbers in rows:
                of = (str(tenant), str(source), int(epoch))
                found.update((*of, int(block) * BLOCK + int(number)) for number in numbers)
        return found

    async def newest(self, header: Header) -> int:
        """The highest number of the frame's source and epoch, or -1."""
        [(newest, rows)] = await self._engine.rows(
            f"SELECT max(Block * {BLOCK} + bitmapMax(Numbers)), count() FROM frame_numbers "
            f"WHERE Tenant = {sql.text(header.tenant)} AND Source = {sql.text(header.source)} "
            f"AND Epoch = {header.epoch}"
        )
        return int(newest) if rows else -1


def within(span: Span) -> str:
    """SELECT of Tenant, Source, Epoch and Seq of the numbers of a span that are known here."""
    one, first, last = span.numbering, span.first_seq, span.last_seq
    return (
        f"SELECT Tenant, Source, Epoch, Block * {BLOCK} + Number AS Seq FROM (\n"
        "SELECT Tenant, Source, Epoch, Block, arrayJoin(bitmapToArray(Numbers)) AS Number "
        f"FROM frame_numbers WHERE Tenant = {sql.text(one.tenant)} "
        f"AND Source = {sql.text(one.source)} AND Epoch = {one.epoch} "
        f"AND Block >= {first // BLOCK} AND Block <= {last // BLOCK}) "
        f"WHERE Seq >= {first} AND Seq <= {last}"
    )


def _known(block: tuple[str, str, int, int], numbers: Iterable[int]) -> str:
    tenant, source, epoch, place = block
    wanted = ",".join(f"toUInt32({number % BLOCK})" for number in numbers)
    return (
        "SELECT Tenant, Source, Epoch, Block, "
        f"bitmapToArray(bitmapAnd(groupBitmapMergeState(Numbers), bitmapBuild([{wanted}]))) "
        f"FROM frame_numbers WHERE Tenant = {sql.text(tenant)} AND Source = {sql.text(source)} "
        f"AND Epoch = {epoch} AND Block = {place} GROUP BY Tenant, Source, Epoch, Block"
    )


_Block = tuple[tuple[str, str, int, int], list[int]]


def _batches(wanted: Iterable[_Block]) -> Iterator[list[_Block]]:
    every = list(wanted)
    for start in range(0, len(every), _AT_ONCE):
        yield every[start : start + _AT_ONCE]
