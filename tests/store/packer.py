"""Packs an archive as the server would, in a process of its own: ENGINE ARCHIVE WALL_NS.

Says "packing" when it begins, and "done" at the end.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tailrace.core.clock import ManualClock
from tailrace.core.metrics import Metrics
from tailrace.store.archive import Archive
from tailrace.store.compaction import Compaction
from tailrace.store.engine import Engine
from tailrace.store.rewriting import Rewriter
from tailrace.store.upkeep import Tidying


async def main(engine_at: Path, archive_at: Path, wall_ns: int) -> None:
    clock, metrics = ManualClock(wall_ns), Metrics()
    engine = Engine(engine_at)
    await engine.open()
    archive = Archive(engine, archive_at, clock)
    await archive.open()
    rewriter = Rewriter(engine, archive_at, clock)
    sys.stdout.write("packing" + "\n")
    sys.stdout.flush()
    compaction = Compaction(archive, rewriter, lambda: False, clock, metrics)
    while await compaction.turn():
        pass
    clock.advance(7200)
    await Tidying(archive, metrics).turn()
    sys.stdout.write("done" + "\n")
    sys.stdout.flush()
    await engine.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
