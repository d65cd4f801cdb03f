"""Frames that the gateway will never take, kept for a person to look at.

Each is a body of one frame as wire/frames.py writes it, named by its epoch and number. Bounded:
the oldest go first. They never hold up the rest. Each is a loss, too, until the server knows of it.
"""

from __future__ import annotations

from pathlib import Path

from tailrace.agent.delivery.entries import Entry
from tailrace.agent.delivery.losses import REFUSED, Losses
from tailrace.agent.delivery.rewrite import loss_of
from tailrace.core import limits, log
from tailrace.core.clock import Clock
from tailrace.core.metrics import Metrics
from tailrace.wire import frames

_log = log.get("agent")


class Rejected:
    """One thread."""

    def __init__(
        self,
        directory: Path,
        metrics: Metrics,
        losses: Losses,
        clock: Clock,
        limit_bytes: int = limits.REJECTED_BYTES,
    ) -> None:
        self._directory = directory
        self._metrics = metrics
        self._losses = losses
        self._clock = clock
        self._limit_bytes = limit_bytes

    def keep(self, entry: Entry, why: str) -> None:
        """Store, count and log, without content. A full disk costs the copy, not the rest.

        A crash before the entry is acknowledged makes it a loss twice.
        """
        note = entry.note
        path = self._directory / f"{note.epoch}-{note.seq:016d}.trf"
        self._metrics.add("tailrace_agent_frames_rejected_total")
        extra = {"why": why, "rows": note.rows, "path": str(path), "tailed": note.mark.path}
        try:
            self._losses.add([loss_of(entry, REFUSED, self._clock.wall_ns())[0]])
        except OSError as error:
            _log.error("a loss could not be recorded: %s", error, extra=extra)
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            path.write_bytes(frames.MAGIC + entry.frame)
            self._bound()
            _log.error("the gateway refused a frame; it is kept", extra=extra)
        except OSError as error:
            extra["error"] = str(error)
            _log.error("the gateway refused a frame; it could not be kept", extra=extra)

    def _bound(self) -> None:
        kept = sorted(self._directory.glob("*.trf"), key=lambda path: path.name)
        size = sum(path.stat().st_size for path in kept)
        for path in kept[:-1]:
            if size <= self._limit_bytes:
                return
            size -= path.stat().st_size
            _log.error("a refused frame is dropped to make room", extra={"path": str(path)})
            path.unlink()
