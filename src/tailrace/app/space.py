"""The watch over the disks of one machine, wired."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tailrace.app.spacesettings import SpaceConfig, marks
from tailrace.core import limits
from tailrace.core.clock import Clock
from tailrace.core.metrics import Metrics
from tailrace.governance.space.marks import Level
from tailrace.governance.space.usage import Tables, Usage
from tailrace.governance.space.watch import Place, Watch


class Space:
    """The watch, and who uses the space: `folders` by what they hold, of which "archive" and
    "spool" may be on other disks than `data`."""

    def __init__(
        self,
        config: SpaceConfig,
        data: Path,
        folders: Mapping[str, Path],
        reserve_bytes: int,
        tables: Tables,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        """`reserve_bytes`: of the disk of `data`. Raises ConfigError."""
        # The engine stores nothing in its own reserve, so the marks are above it.
        reserve_bytes = max(reserve_bytes, limits.ENGINE_RESERVE_BYTES)
        places = (
            Place("data", data, Level.HOT_STOP, reserve_bytes),
            Place("archive", folders["archive"], Level.BULK_STOP),
            Place("spool", folders["spool"]),
        )
        self.watch = Watch(places, marks(config), data / "space.json", clock, metrics)
        self.usage = Usage(folders, tables, clock)
