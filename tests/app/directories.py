"""A data directory as a stopped server leaves it, with tables that no engine made."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tailrace.app.backup.moment import Places
from tailrace.core.clock import ManualClock
from tailrace.core.contracts import Position
from tailrace.core.frame import Frame, Header
from tailrace.core.metrics import Metrics
from tailrace.governance.control import Control
from tailrace.queue.files import OsFileSystem
from tailrace.queue.log import SegmentLog
from tailrace.store.manifest import ArchiveFile, Manifest, Step

PARQUET = b"PAR1" + bytes(40) + (20).to_bytes(4, "little") + b"PAR1"
FILE = "tenant=default/day=2026-11-28/hour=11/logs-1.parquet"
UNIT = "store/tables/store/aaa/aaa-1"
PART = f"{UNIT}/all_1_1_0"


def frame(seq: int) -> Frame:
    return Frame(Header("default", "s", 1, seq, 1, 5, 0, 7), b"x" * 400)


def queue_at(directory: Path) -> SegmentLog:
    return SegmentLog(
        directory, OsFileSystem(), ManualClock(), Metrics(), frozenset({"writer", "archiver"}),
        segment_bytes=2_000, disk_reserve_bytes=0,
    )  # fmt: skip


async def _fill(data: Path) -> None:
    queue = queue_at(data / "queue")
    await queue.open()
    for seq in range(8):
        await queue.accept([frame(seq)])
    for _ in range(3):
        await queue.commit("writer", Position(1, 900))
        await queue.commit("archiver", Position(1, 500))
    await queue.bury(frame(9), "broken")
    await queue.close(1.0)
    control = Control(data / "control")
    await control.open()
    await control.close()


def data_directory(data: Path) -> Places:
    """Frames in several segments, both positions, a dead letter; a part; a file of the archive."""
    data.mkdir(mode=0o700, parents=True)
    asyncio.run(_fill(data))
    for path, content in {
        "store/tables/store/db0/db0-1/logs.sql": b"ATTACH TABLE logs",
        f"{UNIT}/format_version.txt": b"1",
        f"{PART}/data.bin": b"d" * 3_000,
        f"{PART}/checksums.txt": b"c",
        f"{UNIT}/tmp_merge_all_1_2_1/data.bin": b"on its way",
        f"archive/{FILE}": PARQUET,
        "agent/checkpoints": b"here",
        "limits.json": b"{}",
    }.items():
        (data / path).parent.mkdir(parents=True, exist_ok=True)
        (data / path).write_bytes(content)
    metadata = data / "store/tables/metadata"
    metadata.mkdir()
    (metadata / "default").symlink_to("../store/db0/db0-1")
    file = ArchiveFile(FILE, "default", 1, len(PARQUET), 1, 2)
    Manifest(data / "archive/manifest").append(Step(Position(1, 500), 1, 1, [file]))
    return Places(data, data / "archive", data / "control", ("limits.json", "agent"))
