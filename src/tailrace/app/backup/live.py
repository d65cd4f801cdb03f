"""Backups that a running server makes of itself, one at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from tailrace.app.backup import making
from tailrace.app.backup.folder import Folder, Kept, usual_name
from tailrace.app.backup.making import Progress, Wanted
from tailrace.app.backup.moment import Moment, Places
from tailrace.core import log
from tailrace.core.clock import Clock
from tailrace.core.deletion import Deletion, Deletions, Place, Reason
from tailrace.core.errors import Busy, ConfigError, TailraceError
from tailrace.core.metrics import Metrics
from tailrace.queue.log import SegmentLog
from tailrace.store import frozen
from tailrace.store.engine import Engine

_log = log.get("backup")


class State(msgspec.Struct, frozen=True):
    """How the last one is, or ended. `bytes` of `total_bytes` are copied; what the backup before
    has is linked, and not counted."""

    name: str
    state: Literal["running", "done", "failed"]
    bytes: int
    total_bytes: int
    error: str = ""


class Backups:
    """`directory` is the only place that they go to; "" where nobody may make any."""

    def __init__(
        self,
        directory: str,
        places: Places,
        engine: Engine,
        queue: SegmentLog,
        deletions: Deletions,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._folder = Folder(Path(directory)) if directory else None
        self._places = places
        self._engine = engine
        self._queue = queue
        self._deletions = deletions
        self._clock = clock
        self._metrics = metrics
        self._stop = threading.Event()
        self._task: asyncio.Task[None] | None = None
        self._state: Callable[[], State] | None = None
        self._newest_ns = 0

    async def open(self) -> None:
        """Remove what a crash left. A directory of backups that cannot be read stops no start.
        Raises OSError."""
        await asyncio.to_thread(self._left_over)
        try:
            known = await self.kept() if self._folder else []
        except OSError as error:
            _log.error("the backups cannot be listed", extra={"error": error.strerror})
            return
        self._newest_ns = max((one.made_ns for one in known), default=0)

    def _left_over(self) -> None:
        frozen.left_over(self._places.data / "store")
        making.left_over(self._places.archive)

    def measure(self) -> None:
        """Set the metric that is measured when it is asked for."""
        if self._newest_ns:
            age_s = (self._clock.wall_ns() - self._newest_ns) / 1e9
            self._metrics.set("tailrace_backup_age_seconds", max(0.0, age_s))

    async def kept(self) -> Sequence[Kept]:
        """All there are, the oldest first. Raises ConfigError, OSError."""
        return await asyncio.to_thread(self._allowed().kept)

    def state(self) -> State | None:
        """Of the last one since the start."""
        return self._state() if self._state else None

    def begin(self, wanted: Wanted) -> State:
        """Make one; "" is the name of the time. Raises ConfigError for a name that is none or
        taken, or where there is no directory for them, Busy while another is made."""
        folder = self._allowed()
        if self._task is not None and not self._task.done():
            raise Busy("a backup is being made; wait for it")
        if not wanted.name:
            name = usual_name(self._clock.wall_ns())
            wanted = msgspec.structs.replace(wanted, name=name)
        if folder.path(wanted.name).exists():
            raise ConfigError(f"there is a backup {wanted.name} already; give it another name")
        progress = Progress(self._stop)
        self._set(wanted.name, progress, "running")
        self._task = asyncio.create_task(self._run(folder, wanted, progress))
        return self._state() if self._state else State(wanted.name, "running", 0, 0)

    async def close(self) -> None:
        """End the one that is made, which is then none."""
        self._stop.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    def _allowed(self) -> Folder:
        if self._folder is None:
            raise ConfigError("backup.directory is not set: the server has no place for backups")
        return self._folder

    def _set(
        self,
        name: str,
        progress: Progress,
        state: Literal["running", "done", "failed"],
        error: str = "",
    ) -> None:
        self._state = lambda: State(name, state, progress.bytes, progress.total_bytes, error)

    async def _run(self, folder: Folder, wanted: Wanted, progress: Progress) -> None:
        try:
            now = await self._moment()
            head = await asyncio.to_thread(making.make, folder, wanted, now, progress)
        except (TailraceError, OSError) as error:
            _log.error("no backup was made", extra={"backup": wanted.name, "error": str(error)})
            self._metrics.add("tailrace_backups_total", label="failed")
            self._set(wanted.name, progress, "failed", str(error))
            return
        self._newest_ns = head.made_ns
        self._metrics.add("tailrace_backups_total", label="done")
        said = {"backup": wanted.name, "bytes": head.bytes, "copied_bytes": progress.bytes}
        _log.info("a backup was made", extra={**said, "still_s": now.still_s})
        try:
            await self._expire(folder, wanted.name)
        except (TailraceError, OSError) as error:
            _log.error("expired backups are still there", extra={"error": str(error)})
        self._set(wanted.name, progress, "done")

    async def _moment(self) -> Moment:
        """See moment.py."""
        now = Moment(self._places, 0, running=True)

        async def meanwhile() -> None:
            now.made_ns = self._clock.wall_ns()
            begun_s = self._clock.monotonic_s()
            now.queue = await self._queue.held()
            await asyncio.to_thread(now.hold_rest)
            now.still_s = round(self._clock.monotonic_s() - begun_s, 3)

        try:
            await frozen.freeze(self._engine, meanwhile)
        except BaseException:
            await asyncio.to_thread(now.close)
            raise
        return now

    async def _expire(self, folder: Folder, made: str) -> None:
        """Now that there is a newer one, those go whose time is over."""
        now_ns = self._clock.wall_ns()
        for one in await asyncio.to_thread(folder.kept):
            if one.name == made or not 0 < one.expires_ns <= now_ns:
                continue
            words = f"the backup {one.name}"
            name = f"backup/{one.name}/{one.made_ns}"
            gone = Deletion(name, "", Place.BACKUP, Reason.EXPIRED, words, 0, one.bytes)
            await self._deletions.note([gone])
            await asyncio.to_thread(folder.remove, one.name)
            _log.info("an expired backup was removed", extra={"backup": one.name})
