"""A reader that tests drive by hand, round by round."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tailrace.agent.agent import recover
from tailrace.agent.checkpoints import Checkpoints
from tailrace.agent.delivery.spool import Entry, Spool
from tailrace.agent.feeds.feeders import journals
from tailrace.agent.inputs import Files
from tailrace.agent.reader import Reader
from tailrace.agent.settings import AgentSettings
from tailrace.core.clock import ManualClock
from tailrace.core.frame import Frame, Lane
from tailrace.core.metrics import Metrics
from tailrace.core.payload import expand
from tailrace.wire import frames


def lines_of(frame: Frame) -> list[bytes]:
    """The rows of a frame."""
    return expand(frame.payload, frame.header.bytes).split(b"\n")[: frame.header.rows]


OPEN: list[Bench] = []


class Bench:
    """A reader without threads: `step` is one round, `lines` what it spooled since the start."""

    def __init__(self, root: Path, **changes: Any) -> None:
        (root / "logs").mkdir(exist_ok=True, parents=True)
        self.log = root / "logs" / "a.log"
        self.settings = AgentSettings(
            **{
                "inputs": [Files(paths=[str(root / "logs" / "*.log")])],
                "directory": str(root / "state"),
                "gateways": [],
                **changes,
            }
        )
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.lines: list[bytes] = []
        self.seen: set[tuple[int, int]] = set()
        self.resources: list[dict[str, str]] = []
        self.hot: list[Frame] = []
        self.bulk: list[Frame] = []
        self._started = False
        OPEN.append(self)
        self.restart()

    def restart(self) -> None:
        """As after kill -9: nothing is saved or closed on purpose."""
        self.close()
        directory = Path(self.settings.directory)
        self.spool = Spool(directory / "spool", self.settings.spool_bytes, self.metrics)
        checkpoints = Checkpoints(directory)
        state = recover(checkpoints, self.spool, self.clock)
        self._started = True
        self.reader = Reader(
            self.settings,
            state,
            checkpoints,
            self.spool,
            self.clock,
            self.metrics,
            lambda: None,
            journals(self.settings, state),
        )

    def step(self, seconds: float = 1.5) -> list[bytes]:
        """Time passes, one round; the lines that came."""
        self.clock.advance(seconds)
        self.reader.round()
        found = [line for frame in self._taken(Lane.HOT) for line in lines_of(frame)]
        self.lines += found
        self.bulk += self._taken(Lane.BULK)
        return found

    def _taken(self, lane: Lane) -> list[Frame]:
        found: list[Frame] = []
        while entries := self.spool.read(1 << 20, 99, lane):
            for entry in entries:
                if (entry.note.epoch, entry.note.seq) in self.seen:
                    continue  # repeated under its own number, as the gateway would know
                self.seen.add((entry.note.epoch, entry.note.seq))
                found += frames.decode(frames.MAGIC + entry.frame)
            self.spool.ack(entries[-1].note.entry, lane)
        if lane is Lane.HOT:
            self.hot += found
            self.resources += [frame.header.resource for frame in found]
        return found

    def write(self, data: bytes, path: Path | None = None) -> None:
        with (path or self.log).open("ab") as file:
            file.write(data)

    def close(self) -> None:
        """What the kernel does for a process that is gone."""
        if self._started:
            for source in self.reader._sources:
                source.close()
            self.reader._tail.close()
            self.reader.wake.close()
            self.spool.close()
            self._started = False

    def fail_appends(self, count: int) -> list[OSError]:
        """The next `count` writes to the spool find the disk full; the list shrinks as they do."""
        failures = [OSError(errno.ENOSPC, "No space left on device") for _ in range(count)]
        append = self.spool.append

        def failing(entries: Sequence[Entry]) -> None:
            if failures:
                raise failures.pop()
            append(entries)

        self.spool.append = failing  # type: ignore[method-assign]
        return failures

    def try_step(self) -> None:
        """A round as `Reader.run` does it, where failing is not the end."""
        try:
            self.step()
        except OSError as error:
            self.reader._failed(error)
