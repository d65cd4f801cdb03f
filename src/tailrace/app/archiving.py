"""What looks after the archive of a server, as the configuration wants it."""

from __future__ import annotations

from typing import Protocol

from tailrace.app.archivekeep import ArchiveSettings, retention
from tailrace.core import limits
from tailrace.core.clock import Clock
from tailrace.core.deletion import Deletions
from tailrace.core.metrics import Metrics
from tailrace.store.archive import Archive
from tailrace.store.compaction import Compaction
from tailrace.store.engine import Engine
from tailrace.store.expiring import Expiring
from tailrace.store.rewriting import Rewriter
from tailrace.store.upkeep import Part, Tidying, Upkeep
from tailrace.store.verification import Verification


class Sized(Protocol):
    """A queue that knows what is in it."""

    @property
    def size_bytes(self) -> int: ...


def busy(queue: Sized) -> bool:
    """Whether so much waits that nothing else should be done."""
    return queue.size_bytes > limits.ARCHIVE_PACKING_QUEUE_BYTES


def upkeep(
    settings: ArchiveSettings,
    engine: Engine,
    archive: Archive,
    queue: Sized,
    deletions: Deletions,
    clock: Clock,
    metrics: Metrics,
) -> Upkeep:
    """Of an open archive."""
    rewriter = Rewriter(engine, archive.directory, clock)
    kept = retention(settings)
    parts: dict[str, Part] = {
        "tidy": Tidying(archive, metrics),
        "expire": Expiring(
            archive, engine, rewriter, kept, deletions, lambda: busy(queue), clock, metrics
        ),
        "pack": Compaction(archive, rewriter, lambda: busy(queue), clock, metrics),
        "verify": Verification(archive, clock, metrics),
    }
    return Upkeep(parts, metrics)
