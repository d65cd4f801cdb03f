"""Frames, and a process of writer and archiver over what survives it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec

from tailrace.core.contracts import BULK_LANES, HOT_LANES, Position
from tailrace.core.errors import Busy
from tailrace.core.frame import CANONICAL, Codec, Frame, Header, Lane, Signal
from tailrace.core.metrics import Metrics
from tailrace.core.payload import compress, describe
from tailrace.queue.dead import letters
from tailrace.queue.log import SegmentLog
from tailrace.wire import samples, spans
from tailrace.wire.samples import Sample
from tailrace.wire.spans import Span
from tailrace.writer.archiver import Archiver
from tailrace.writer.writer import Writer

from ..queue.disk import FaultyFileSystem
from .fakes import REFUSED, FakeArchive, FakeTable, Faults
from .simulation import LoopClock, SimulatedLoop

Kind = Literal[
    "records", "lines", "short", "long", "garbled", "unreadable", "refused",
    "samples", "twice", "spoilt", "spans", "spans twice", "spoilt spans",
]  # fmt: skip
SIGNALS = {
    **dict.fromkeys(("samples", "twice", "spoilt"), Signal.METRICS),
    **dict.fromkeys(("spans", "spans twice", "spoilt spans"), Signal.SPANS),
}
# Why a frame of such a kind is a dead letter.
LOST = {
    "unreadable": "unreadable: zstd",
    "spoilt": "unreadable: field",
    "spoilt spans": "unreadable: field",
}
STEP_WAIT_S = 2.0
CALM_S = 600.0


def bodies(seq: int, rows: int) -> list[str]:
    return [f"{seq}.{row}" for row in range(rows)]


def frame(seq: int, lane: Lane = Lane.BOTH, rows: int = 2, kind: Kind = "records") -> Frame:
    """A frame known by `seq`.

    `short`, `long`: the engine reads one row less or more than the header says. `garbled`: the
    engine stops at its last row. `unreadable`: no zstd at all. `refused`: the engine takes it in
    no form, as it did with more than 100 days in one frame. `samples` are metrics; `twice` has a
    key twice, which the engine refuses; of `spoilt` the last line is no sample. So are those of
    spans.
    """
    lines = [msgspec.json.encode({"body": body}) for body in bodies(seq, rows)]
    signal = SIGNALS.get(kind, Signal.LOGS)
    if signal is Signal.METRICS:
        lines = [samples.encode([Sample(1, body, 0.5)])[:-1] for body in bodies(seq, rows)]
    if signal is Signal.SPANS:
        lines = [spans.encode([Span(1, body, "a", "b")])[:-1] for body in bodies(seq, rows)]
    if kind in ("twice", "spans twice"):
        lines[-1] = lines[-1].replace(b"{", b'{"name":"other",', 1)
    if kind in ("spoilt", "spoilt spans"):
        lines[-1] = b'{"time":1}'
    if kind == "lines":
        lines = [body.encode() for body in bodies(seq, rows)]
    if kind == "refused":
        lines[-1] = msgspec.json.encode({"body": REFUSED})
    if kind == "garbled":
        lines[-1] = bodies(seq, rows)[-1].encode() + b"!"
    if kind == "short":
        lines[-1] = b""
    data = b"\n".join(lines) + b"\n"
    header = Header(
        tenant="acme",
        source="web-1",
        epoch=1,
        seq=seq,
        rows=rows - 1 if kind == "long" else rows,
        bytes=len(data),
        checksum=describe(data).checksum,
        received_ns=1_800_000_000_000_000_000 + seq,
        lane=lane,
        signal=signal,
        codec=Codec.LINES if kind == "lines" else Codec.RECORDS,
        hints=CANONICAL,
    )
    return Frame(header, data if kind == "unreadable" else compress(data))


def expected_bodies(seq: int, rows: int, kind: Kind) -> list[str]:
    """The rows that a frame shall have in the end; none for one that nobody can read."""
    found = bodies(seq, rows)
    if kind == "short":
        found[-1] = ""
    if kind == "garbled":
        found[-1] += "!"
    return [] if kind in LOST else sorted(found)


async def _bury_in_the_end(bury: Callable[..., Any], *letter: Any) -> None:
    while True:
        try:
            return await bury(*letter)
        except Busy:
            await asyncio.sleep(1)


class World:
    """The disk, the tables and the archive, which survive, and the process, which does not."""

    def __init__(self, seed: int = 0) -> None:
        self.runner = asyncio.Runner(loop_factory=SimulatedLoop)
        self.files = FaultyFileSystem(seed)
        self.faults = Faults(seed)
        self.hot = FakeTable(self.faults)
        self.bulk = FakeTable(self.faults)
        self.archive = FakeArchive(self.faults, self.hot, self.bulk)
        self.metrics = Metrics()
        self.options: dict[str, Any] = {}
        self.buries_in_the_end = False
        self.tasks: list[asyncio.Task[None]] = []

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    async def start(self, *, archiving: bool = True) -> None:
        """A process begins on what the last one left."""
        clock = LoopClock(asyncio.get_running_loop())
        settings: dict[str, Any] = {
            "segment_bytes": 2000,
            "queue_bytes": 1 << 20,
            "dead_letter_bytes": 1 << 20,
            "disk_reserve_bytes": 0,
        } | self.options
        names = frozenset({"writer", "archiver", "spy"})
        self.queue = SegmentLog(Path("/q"), self.files, clock, self.metrics, names, **settings)
        await self.queue.open()
        if self.buries_in_the_end:
            self.queue.bury = partial(_bury_in_the_end, self.queue.bury)  # type: ignore[method-assign]
        self.reader = self.queue.consumer("writer", HOT_LANES)
        self.bulk_reader = self.queue.consumer("archiver", BULK_LANES)
        self.writer = Writer(self.queue, self.reader, self.hot, clock, self.metrics)
        self.archiver = Archiver(
            self.queue,
            self.bulk_reader,
            self.hot,
            self.bulk,
            self.archive,
            lambda: self.writer.committed,
            clock,
            self.metrics,
            STEP_WAIT_S,
        )
        self.tasks = [asyncio.create_task(self.writer.run())]
        if archiving:
            self.tasks.append(asyncio.create_task(self.archiver.run()))

    async def crash(self, power: bool = False) -> None:
        """All tasks end where they stand; the next process begins."""
        for task in [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.files.crash() if power else self.files.kill()
        with contextlib.suppress(Exception):
            await self.queue.close(0.0)
        await self.start()

    async def until(self, holds: Callable[[], bool], limit_s: float = CALM_S) -> None:
        """Let (simulated) time pass until `holds`, or fail."""
        loop = asyncio.get_running_loop()
        end = loop.time() + limit_s
        while not holds():
            self.check_alive()
            assert loop.time() < end, "did not happen"
            await asyncio.sleep(0.05)

    def check_alive(self) -> None:
        for task in self.tasks:
            if task.done():
                task.result()

    async def drained(self, limit_s: float = CALM_S) -> None:
        """Until everything that is durable is committed by both readers."""
        await self.until(lambda: self.behind() == 0, limit_s)

    def behind(self) -> int:
        slowest = min(self.reader.committed, self.bulk_reader.committed)
        return sum(extent.bytes_after(slowest) for extent in self.queue.extents())

    async def accepted(self) -> list[tuple[Frame, Position]]:
        """Every frame that is durable in the queue, in order."""
        spy = self.queue.consumer("spy", frozenset(Lane))
        found: list[tuple[Frame, Position]] = []
        while deliveries := await spy.read(1 << 30, 0.0):
            found += [(d.frame, d.after) for d in deliveries]
        return found

    def buried(self) -> list[tuple[int, str]]:
        found = letters(self.files, Path("/q/dead"))
        return [(letter.header.seq, letter.reason) for letter, _ in found if letter.header]

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.queue.close(1.0)

    def scenario(self, body: Callable[[World], Any], *, archiving: bool = True) -> None:
        """Start, do `body`, stop."""

        async def whole() -> None:
            await self.start(archiving=archiving)
            try:
                await body(self)
            finally:
                await self.stop()

        with self.runner:
            self.run(whole())
