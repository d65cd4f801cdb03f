"""The logs tables: insert frames, count them, take them out again, remember them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tailrace.core.contracts import Changes, Delivery, Position, Recorded
from tailrace.core.frame import Frame, Header, Signal
from tailrace.core.ledger import lane_of
from tailrace.store import decode, sql
from tailrace.store.engine import Engine
from tailrace.store.framenumbers import FrameNumbers

Key = tuple[str, str, int, int]
_SENDERS = 8
# What is added to the stage of a frame that was handled and is not stored.
TWICE, DEAD = "_twice", "_dead"
_RECORD = (
    "Stage, Tenant, Source, Epoch, Seq, Rows, Bytes, Checksum, ReceivedNs, Segment, Offset, "
    "Lane, ReadRows, Guarded, Signal"
)


class LogTable:
    """One table of log rows (`logs` or `bulk_rows`) and the record of its frames.

    `stage` names this table in the record of frames. Payloads pass through the folder `scratch`.
    `changes` hears of rows when they are counted, which every insert is followed by, and when they
    are taken out.
    """

    def __init__(
        self,
        engine: Engine,
        table: str,
        stage: str,
        scratch: Path,
        changes: Changes | None = None,
    ) -> None:
        self._engine = engine
        self._table = table
        self._stage = stage
        self._scratch = scratch
        self._changes = changes
        self._numbers = FrameNumbers(engine)

    async def insert(self, frames: Sequence[Frame]) -> None:
        """Decode and insert. Raises StoreError; then some rows may be in, and `stored` tells."""
        for group in decode.groups(frames):
            async with decode.unpacked(self._scratch, group) as directory:
                for statement in self._statements(directory, group):
                    await self._engine.write(statement)

    def _statements(self, directory: Path, frames: Sequence[Frame]) -> list[str]:
        """What inserts the files of one group, in this order."""
        return [decode.statement(directory, frames, self._table)]

    async def stored(self, headers: Sequence[Header]) -> dict[Key, int]:
        """Rows present for each frame; frames of which nothing is present are left out."""
        return await self._counted(self._table, headers)

    async def _counted(self, table: str, headers: Sequence[Header]) -> dict[Key, int]:
        if not headers:
            return {}
        # Bounds of two numbers cost a third of looking each row's identity up in a set.
        numbers = sorted(header.seq for header in headers)
        found = await self._engine.rows(
            "SELECT Tenant, Source, Epoch, Seq, count(), min(toUnixTimestamp64Nano(Timestamp)) "
            f"FROM {table} "
            f"WHERE {received(headers)} AND Seq >= {numbers[0]} AND Seq <= {numbers[-1]} "
            "GROUP BY Tenant, Source, Epoch, Seq"
        )
        wanted = {header.key: header.signal for header in headers}
        counts: dict[Key, int] = {}
        firsts: dict[tuple[str, Signal], int] = {}
        for t, s, e, q, n, first in found:
            key = (str(t), str(s), int(e), int(q))
            if key in wanted:
                counts[key] = int(n)
                source = (key[0], wanted[key])
                firsts[source] = min(int(first), firsts.get(source, int(first)))
        self._tell(firsts)
        return counts

    def _tell(self, firsts: Mapping[tuple[str, Signal], int]) -> None:
        if self._changes is not None:
            for (tenant, signal), first_ns in firsts.items():
                self._changes.changed(tenant, signal, first_ns)

    async def remove(self, headers: Sequence[Header]) -> None:
        """Take the rows of these frames out."""
        await self._deleted(self._table, headers)

    async def _deleted(self, table: str, headers: Sequence[Header]) -> None:
        if headers:
            try:
                await self._engine.write(
                    f"ALTER TABLE {table} DELETE WHERE {identified(headers)} "
                    "SETTINGS mutations_sync=2"
                )
            finally:
                self._tell({(header.tenant, header.signal): 0 for header in headers})

    async def remember(
        self,
        deliveries: Sequence[Delivery],
        twice: Sequence[Delivery] = (),
        dead: Sequence[Delivery] = (),
    ) -> None:
        """Record, at once, that these frames are stored, whole, and from which place of the queue;
        that others were left out, being stored before; and that some are dead letters."""
        stage = self._stage
        handled = ((stage, deliveries), (stage + TWICE, twice), (stage + DEAD, dead))
        rows = ",".join(_record(how, d) for how, found in handled for d in found)
        if rows:
            await self._engine.write(f"INSERT INTO frames ({_RECORD}) VALUES {rows}")

    async def remembered(self, headers: Sequence[Header]) -> dict[Key, Recorded]:
        """Of these frames, those that are recorded; of one recorded twice, the first place. Of one
        whose row is gone the number is known, and no place."""
        if not headers:
            return {}
        found = await self._engine.rows(
            "SELECT Tenant, Source, Epoch, Seq, Segment, Offset, Rows FROM frames "
            f"WHERE Stage = {sql.text(self._stage)} AND {_keys(headers)} "
            "ORDER BY Segment DESC, Offset DESC"
        )
        recorded = {
            (str(t), str(s), int(e), int(q)): Recorded(Position(int(g), int(o)), int(n))
            for t, s, e, q, g, o, n in found
        }
        others = [header for header in headers if header.key not in recorded]
        old = await self._numbers.among(others)
        return recorded | dict.fromkeys(old, Recorded(Position(0, 0), 0))

    async def newest(self, header: Header) -> int:
        """The highest sequence number recorded of the frame's source and epoch, or -1."""
        found = await self._engine.rows(
            "SELECT max(Seq), count() FROM frames "
            f"WHERE Stage = {sql.text(self._stage)} AND Tenant = {sql.text(header.tenant)} "
            f"AND Source = {sql.text(header.source)} AND Epoch = {header.epoch}"
        )
        old = await self._numbers.newest(header)
        return max(int(found[0][0]), old) if found[0][1] else old

    async def clear(self) -> None:
        """Empty the table."""
        await self._engine.write(f"TRUNCATE TABLE {self._table}")


def _record(stage: str, delivery: Delivery) -> str:
    h = delivery.frame.header
    read = h.rows if delivery.read_rows is None else delivery.read_rows
    return (
        f"({sql.text(stage)},{sql.text(h.tenant)},{sql.text(h.source)},{h.epoch},"
        f"{h.seq},{h.rows},{h.bytes},{h.checksum},{h.received_ns},"
        f"{delivery.after.segment},{delivery.after.offset},"
        f"{sql.text(lane_of(h))},{read},{h.guarded},{sql.text(h.signal)})"
    )


def _keys(headers: Sequence[Header]) -> str:
    """One comparison of numbers for each sender, where they are few: a fifth of the cost of looking
    up tuples."""
    senders: dict[tuple[str, str, int], list[str]] = {}
    for h in headers:
        senders.setdefault((h.tenant, h.source, h.epoch), []).append(str(h.seq))
    if len(senders) > _SENDERS:
        keys = ",".join(
            f"({sql.text(h.tenant)},{sql.text(h.source)},{h.epoch},{h.seq})" for h in headers
        )
        return f"(Tenant, Source, Epoch, Seq) IN ({keys})"
    conditions = [
        f"(Tenant = {sql.text(tenant)} AND Source = {sql.text(source)} AND Epoch = {epoch} "
        f"AND Seq IN ({','.join(numbers)}))"
        for (tenant, source, epoch), numbers in senders.items()
    ]
    return f"({' OR '.join(conditions)})"


def identified(headers: Sequence[Header]) -> str:
    """Condition for the rows of these frames."""
    return f"{received(headers)} AND {_keys(headers)}"


def received(headers: Sequence[Header]) -> str:
    """Condition that holds for the rows of these frames and lets whole granules be skipped."""
    times = [header.received_ns for header in headers]
    first, last = sql.moment(min(times)), sql.moment(max(times))
    return f"IngestTime >= {first} AND IngestTime <= {last}"
