"""What the lines of the archive's manifest say; see manifest.py for the file.

A line is a JSON object whose `kind` says which of these it is; one without a kind is a step, as all
were once. Fields that a line lacks have their defaults, so older lines stay readable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from tailrace.core.contracts import Position
from tailrace.core.frame import Signal

HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS
# Where files of a signal are, under the archive; those of logs begin with their tenant.
FOLDERS: Mapping[Signal, str] = {
    Signal.LOGS: "",
    Signal.SPANS: "spans",
    Signal.METRICS: "metrics",
}
_SIGNALS = {folder: signal for signal, folder in FOLDERS.items()}
# Lowest and highest; None where nobody knows.
Epochs = tuple[int, int] | None
Why = Literal["compacted", "expired", "forgotten"]


class ArchiveFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """One Parquet file: its path under the archive, rows, bytes and event time bounds (ns), which
    are of one UTC day.

    `checksum`: xxh3_128 of its bytes in hex, "" where it was not taken. `epochs`: lowest and
    highest number, over all kinds, of the tenant's keys that can have made the pseudonyms in it.
    `written_ns`: when it was, UTC; 0 where nobody knows. `packed`: whether it was made of others.
    """

    path: str
    tenant: str
    rows: int
    bytes: int
    first_ns: int
    last_ns: int
    checksum: str = ""
    epochs: Epochs = None
    written_ns: int = 0
    packed: bool = False

    @property
    def signal(self) -> Signal:
        """What it holds rows of."""
        return _SIGNALS.get(self.path.partition("/")[0], Signal.LOGS)

    @property
    def day(self) -> int:
        """Of the event times of its rows, in days since 1970, UTC."""
        return self.first_ns // DAY_NS


class Step(msgspec.Struct, frozen=True):
    """Files of one archive step: everything in the queue before `upto` is archived. `received_ns`:
    when the last of its frames came in, UTC; 0 in lines of before this was recorded."""

    upto: Position
    rows: int
    frames: int
    files: list[ArchiveFile]
    received_ns: int = 0


class Swap(msgspec.Struct, frozen=True, tag_field="kind", tag="swap"):
    """From `at_ns` on (UTC) the files `added` count in place of those at the paths `removed`. They
    are of one signal, tenant and day where there are files in both."""

    why: Why
    at_ns: int
    removed: list[str]
    added: list[ArchiveFile] = []


class Base(msgspec.Struct, frozen=True, tag_field="kind", tag="base"):
    """What all lines before a rewriting said, but for their files: how far the archive was, when
    the last frame came in, and how much the steps held altogether."""

    upto: Position
    received_ns: int
    steps: int
    rows: int
    frames: int


class Kept(msgspec.Struct, frozen=True, tag_field="kind", tag="kept"):
    """Files that counted at a rewriting, some of them."""

    files: list[ArchiveFile]


Entry = Step | Swap | Base | Kept
KINDS: Mapping[str, type[Entry]] = {"": Step, "swap": Swap, "base": Base, "kept": Kept}


class Kind(msgspec.Struct):
    """What a line is, before the rest of it is read."""

    kind: str = ""


def joined(epochs: Iterable[Epochs]) -> Epochs:
    """Of rows from several files; None where it is not known of one of them."""
    known = list(epochs)
    found = [one for one in known if one is not None]
    if not found or len(found) < len(known):
        return None
    return min(low for low, _ in found), max(high for _, high in found)
