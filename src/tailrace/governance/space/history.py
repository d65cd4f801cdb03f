"""Trends of disks, over a restart.

One file, JSON, replaced whole, of each disk by its name:

    {"data": {"size": 107374182400, "points": [[1800000000.0, 52428800], ...]}}

A disk that has another size by now is another disk, and begins anew; so does all when the file
cannot be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from tailrace.core.disk import write_whole
from tailrace.core.log import get
from tailrace.governance.space.trend import Point, Trend

_log = get("governance")


class Kept(msgspec.Struct):
    """Of one disk."""

    size: int
    points: list[Point]


def load(path: Path) -> dict[str, Kept]:
    """What was kept; nothing where that cannot be read. Blocks."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Kept])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError):
        _log.warning("how fast the disk filled is not known", extra={"file": path.name})
        return {}


def trend_of(kept: Mapping[str, Kept], name: str, size: int) -> Trend:
    """The trend of a disk, which has so many bytes."""
    found = kept.get(name)
    return Trend(found.points) if found and found.size == size else Trend()


def save(path: Path, kept: Mapping[str, Kept]) -> None:
    """Durable when it returns. Blocks. Raises OSError."""
    write_whole(path, msgspec.json.encode(kept))
