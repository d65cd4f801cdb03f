"""An archive with rows in it, and who looks after it, on a clock that is told."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq

from tailrace.core.clock import ManualClock
from tailrace.core.contracts import Position
from tailrace.core.deletion import Deletion
from tailrace.core.errors import StoreError
from tailrace.core.frame import Signal
from tailrace.core.metrics import Metrics
from tailrace.store.archive import Archive
from tailrace.store.compaction import Compaction
from tailrace.store.engine import Engine
from tailrace.store.entries import ArchiveFile
from tailrace.store.expiring import Expiring
from tailrace.store.retention import Retention
from tailrace.store.rewriting import Rewriter
from tailrace.store.tables import bulk_tables
from tailrace.store.upkeep import Tidying, Upkeep

from .building import HOUR_NS, NOW, frame

START = NOW - NOW % (24 * HOUR_NS)
MINUTE_NS = HOUR_NS // 60
Row = tuple[Any, ...]


class Place:
    """An archive with rows in it, and who packs it."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder / "archive"
        self.clock = ManualClock(START)
        self.metrics = Metrics()
        self.tables = bulk_tables(engine, folder)
        self.seq = 0
        self.busy = False
        self.forgetful = False
        self.noted: dict[str, Deletion] = {}

    async def open(self) -> None:
        """As after a start."""
        self.archive = Archive(self.engine, self.folder, self.clock, self.epochs)
        await self.archive.open()
        self.rewriter = Rewriter(self.engine, self.folder, self.clock)
        self.compaction = Compaction(
            self.archive, self.rewriter, lambda: self.busy, self.clock, self.metrics
        )
        tidying = Tidying(self.archive, self.metrics)
        parts = {"tidy": tidying, "pack": self.compaction}
        self.upkeep = Upkeep(parts, self.metrics)

    def expiring(self, retention: Retention) -> Expiring:
        """What is noted of it goes to `noted`."""
        return Expiring(
            self.archive, self.engine, self.rewriter, retention, self, lambda: self.busy,
            self.clock, self.metrics,
        )  # fmt: skip

    async def note(self, deletions: Sequence[Deletion]) -> None:
        """Implements Deletions."""
        if self.forgetful:
            raise StoreError("nothing can be noted")
        for one in deletions:
            self.noted.setdefault(one.id, one)

    async def epochs(self, _tenant: str, since_ns: int) -> tuple[int, int]:
        """A key lasts a day here, from NOW on."""
        day = since_ns // (24 * HOUR_NS)
        return day, day

    async def step(self, minute: int, signal: Signal = Signal.LOGS, tenant: str = "shop") -> None:
        """A minute's rows, archived when it is over."""
        time_ns = START + minute * MINUTE_NS
        self.clock.jump_wall((time_ns + MINUTE_NS - self.clock.wall_ns()) / 1e9)
        rows = [record(signal, time_ns + n * 7_000_000_000, n) for n in range(6)]
        data = b"\n".join(map(msgspec.json.encode, rows)) + b"\n"
        self.seq += 1
        one = frame(data, self.seq, signal=signal, tenant=tenant, received_ns=time_ns)
        await self.tables.clear()
        await self.tables.insert([one])
        await self.archive.step([], [one.header], Position(1, self.seq))

    async def filled(self, *signals: Signal) -> None:
        """An hour of logs, or others, and a file of the next; and a file of another tenant."""
        for minute in (0, 59, 65):
            for signal in signals or (Signal.LOGS,):
                await self.step(minute, signal)
        await self.step(7, tenant="other")
        self.clock.jump_wall((START + 65 * MINUTE_NS - self.clock.wall_ns()) / 1e9)

    def later(self, minutes: int) -> None:
        self.clock.advance(minutes * 60)

    async def turn(self) -> None:
        # Packing waits as long as it took: this clock stands still.
        await self.upkeep.round()

    def files(self, signal: Signal = Signal.LOGS, tenant: str = "shop") -> list[ArchiveFile]:
        end = START + 100 * 24 * HOUR_NS
        found = self.archive.listing.between(signal, tenant, 0, end)
        return sorted(found, key=lambda file: file.first_ns)

    def rows(self) -> list[Row]:
        """All that count, read by another reader, in any order."""
        found: list[Row] = []
        for file in self.archive.listing.files():
            table = pq.ParquetFile(self.folder / file.path).read()
            assert len(table) == file.rows
            found += [(file.signal, *map(repr, row.values())) for row in table.to_pylist()]
        return sorted(found)

    def on_disk(self) -> set[str]:
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*.parquet")}


def record(signal: Signal, time_ns: int, n: int) -> dict[str, Any]:
    service = ("cart", "pay", "ads")[n % 3]
    chance = random.Random(time_ns)
    ids = {
        "trace_id": f"{chance.getrandbits(128):032x}",
        "span_id": f"{chance.getrandbits(64):016x}",
    }
    if signal is Signal.METRICS:
        return {"name": f"m{n % 2}", "time": time_ns, "value": n, "labels": {"job": service}}
    if signal is Signal.SPANS:
        return {"name": "GET /", "time": time_ns, "duration": 5, "service": service, **ids}
    return {"time": time_ns, "body": f"line {time_ns}", "service": service, **ids}
