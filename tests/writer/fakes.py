"""A table and an archive in memory that outlive the process and fail as the engine does.

A call takes effect little by little, with an await between, so a task that is cancelled leaves a
part behind. `Faults` makes a call fail before it took effect, in the middle, or after.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import msgspec

from tailrace.core.contracts import Delivery, Position, Recorded
from tailrace.core.errors import InputError, StoreError
from tailrace.core.frame import Codec, Frame, Header, Signal
from tailrace.core.payload import expand

Key = tuple[str, str, int, int]
Moment = Literal["before", "during", "after"]
OPERATIONS = ("insert", "stored", "remove", "remember", "remembered", "newest", "clear", "step")


REFUSED = "a body that the engine does not take"


class Faults:
    """What fails next: (operation, moment), each once; and what is `down` until it is not."""

    def __init__(self, seed: int = 0) -> None:
        self.random = random.Random(seed)
        self.planned: list[tuple[str, Moment]] = []
        self.down: set[str] = set()
        self.calls: Counter[str] = Counter()
        self.halt = ("", 0)
        self.halted = False

    async def passed(self, place: str) -> None:
        """A place in the middle of a call; at the nth that `halt` names the call stands still."""
        await asyncio.sleep(0)
        name, left = self.halt
        if name == place:
            self.halt = (name, left - 1)
            if left == 1:
                self.halted = True
                await asyncio.Event().wait()

    def plan(self, operation: str, moment: Moment) -> None:
        self.planned.append((operation, moment))

    def started(self, operation: str) -> Moment | None:
        """Count a call; when it shall fail, if it shall. Raises StoreError for "before"."""
        self.calls[operation] += 1
        if operation in self.down:
            raise StoreError(f"{operation} is down")
        for index, (name, moment) in enumerate(self.planned):
            if name == operation:
                del self.planned[index]
                if moment == "before":
                    raise StoreError(f"{operation} failed before it took effect")
                return moment
        return None


class Row(msgspec.Struct, frozen=True):
    """What is checked of a row."""

    key: Key
    received_ns: int
    body: str
    damaged: bool


class FakeTable:
    """Implements `FrameTable`. `rows` and `records` are what the disk holds."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.rows: list[Row] = []
        self.records: dict[Key, list[Recorded]] = {}
        self.inserts: list[list[Key]] = []
        # By the place in the queue: the number of a frame, and what became of it.
        self.handled: dict[Position, tuple[int, str]] = {}

    async def insert(self, frames: Sequence[Frame]) -> None:
        moment = self.faults.started("insert")
        self.inserts.append([frame.header.key for frame in frames])
        coming = [row for frame in frames for row in decoded(frame)]
        if moment == "during":
            coming = self._some(coming)
        for row in coming:
            await asyncio.sleep(0)
            if isinstance(row, StoreError):
                raise row
            self.rows.append(row)
            await self.faults.passed("row")
        if moment:
            raise StoreError("insert failed")

    def _some(self, rows: list[Row | StoreError]) -> list[Row | StoreError]:
        """Of each frame all, some or none of its rows, as partitions are written one by one."""
        chance = {row.key: self.faults.random.choice([0, 0.5, 1]) for row in rows if is_row(row)}
        return [r for r in rows if is_row(r) and self.faults.random.random() < chance[r.key]]

    async def stored(self, headers: Sequence[Header]) -> dict[Key, int]:
        self.faults.started("stored")
        await asyncio.sleep(0)
        return dict(Counter(row.key for row in self.rows if _among(row, headers)))

    async def remove(self, headers: Sequence[Header]) -> None:
        moment = self.faults.started("remove") if headers else None
        for row in [row for row in self.rows if _among(row, headers)]:
            if moment == "during" and self.faults.random.random() < 0.5:
                continue
            await asyncio.sleep(0)
            self.rows.remove(row)
        if moment:
            raise StoreError("remove failed")

    async def remember(
        self,
        deliveries: Sequence[Delivery],
        twice: Sequence[Delivery] = (),
        dead: Sequence[Delivery] = (),
    ) -> None:
        moment = self.faults.started("remember") if deliveries else None
        await asyncio.sleep(0)
        if moment != "during":
            for how, found in (("stored", deliveries), ("twice", twice), ("dead", dead)):
                self.handled.update({d.after: (d.frame.header.seq, how) for d in found})
        if moment != "during":  # one block: all or nothing
            for delivery in deliveries:
                header = delivery.frame.header
                record = Recorded(delivery.after, header.rows)
                self.records.setdefault(header.key, []).append(record)
        await asyncio.sleep(0)
        if moment:
            raise StoreError("remember failed")

    async def remembered(self, headers: Sequence[Header]) -> dict[Key, Recorded]:
        if headers:
            self.faults.started("remembered")
        await asyncio.sleep(0)
        return {
            h.key: min(self.records[h.key], key=lambda record: record.after)
            for h in headers
            if h.key in self.records
        }

    async def newest(self, header: Header) -> int:
        self.faults.started("newest")
        await asyncio.sleep(0)
        source = header.key[:3]
        return max((key[3] for key in self.records if key[:3] == source), default=-1)

    async def clear(self) -> None:
        moment = self.faults.started("clear")
        await asyncio.sleep(0)
        if moment != "during":
            self.rows.clear()
        await asyncio.sleep(0)
        if moment:
            raise StoreError("clear failed")

    def bodies(self, key: Key) -> list[str]:
        return sorted(row.body for row in self.rows if row.key == key)


def is_row(row: Row | StoreError) -> bool:
    return isinstance(row, Row)


def _among(row: Row, headers: Sequence[Header]) -> bool:
    """As `store.logs.identified`: only rows between the headers' ingest times are looked at."""
    times = [header.received_ns for header in headers]
    keys = {header.key for header in headers}
    return bool(times) and row.key in keys and min(times) <= row.received_ns <= max(times)


def decoded(frame: Frame) -> list[Row | StoreError]:
    """The rows of a frame as far as the engine reads them, and the error that ends them."""
    header = frame.header
    try:
        data = expand(frame.payload, 1 << 20)
    except InputError:
        return [StoreError("ZSTD stream decoding failed")]
    rows: list[Row | StoreError] = []
    for line in data.split(b"\n"):
        if not line:
            continue
        if header.signal is not Signal.LOGS:
            rows += _named(header, line)
            continue
        if header.codec is Codec.LINES:
            rows.append(Row(header.key, header.received_ns, line.decode(), False))
            continue
        try:
            record = msgspec.json.decode(line, type=dict)
        except msgspec.DecodeError:
            return [*rows, StoreError("Cannot parse input", 27)]
        if record.get("body") == REFUSED:
            return [StoreError("Too many partitions for single INSERT block", 252)]
        damaged = "tailrace.error" in record.get("attributes", {})
        rows.append(Row(header.key, header.received_ns, record.get("body", ""), damaged))
    return rows


def _named(header: Header, line: bytes) -> list[Row | StoreError]:
    """The row of a sample or a span that the engine reads; one that it does not is left out."""
    record = msgspec.json.decode(line, type=dict)
    if line.count(b'"name"') != 1:
        return []
    return [Row(header.key, header.received_ns, record["name"], False)]


class Step(msgspec.Struct, frozen=True):
    upto: Position
    rows: list[Row]


class FakeArchive:
    """Implements `ArchiveFiles`. `steps` is what the disk holds."""

    def __init__(self, faults: Faults, hot: FakeTable, bulk: FakeTable) -> None:
        self.faults = faults
        self._tables = (hot, bulk)
        self.steps: list[Step] = []

    @property
    def upto(self) -> Position:
        return self.steps[-1].upto if self.steps else Position(0, 0)

    async def step(
        self, hot: Sequence[Header], bulk: Sequence[Header], upto: Position
    ) -> tuple[int, int, int]:
        moment = self.faults.started("step")
        rows: list[Row] = []
        for table, headers in zip(self._tables, (hot, bulk), strict=True):
            await asyncio.sleep(0)
            rows += [row for row in table.rows if _among(row, headers)]
        expected = sum(header.rows for header in [*hot, *bulk])
        if moment or len(rows) != expected:
            raise StoreError(f"archive step has {len(rows)} rows where its frames say {expected}")
        self.steps.append(Step(upto, rows))
        await self.faults.passed("recorded")
        return len(rows), 1, 100 * len(rows)

    def bodies(self, key: Key) -> list[str]:
        return sorted(row.body for step in self.steps for row in step.rows if row.key == key)
