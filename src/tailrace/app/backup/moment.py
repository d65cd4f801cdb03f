"""A data directory at one moment: all that a backup copies, held until it is copied.

What is taken when, so that a directory made of it is one that a crash at that moment could have
left, from which a start goes on with nothing lost and nothing twice:

1. Nothing is written to the tables from here to the end of 4.
2. The tables are frozen: parts as hard links.
3. The queue is held: positions, then segments. Rows in the tables are of frames that are in these
   segments or recorded, since the writer reads what is in the queue. Positions are never ahead of
   the tables, since they are committed after them; what is behind them is read again, and known.
4. The control store, since then with the keys and tokens of all that is in the queue; the horizon,
   after the tables, for rows go an hour after it is raised; and at last the archive's manifest: it
   may be one step ahead of the tables and never behind them, and the next step cannot end before
   the tables are written to again.

The archive's files come after that: what a manifest lists stays until its next lines.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tailrace.app.backup.copying import Item, file_item
from tailrace.governance.controlcopy import ControlCopy
from tailrace.queue.held import Held, names
from tailrace.store import frozen

# Of the archive and of the horizon: a file that is only appended to, or replaced whole.
MANIFEST = "archive/manifest"
HORIZON = "store/horizon"
CONTROL = "control/control.sqlite"


@dataclass(frozen=True)
class Places:
    """Where it all is. `control`: the directory of the control store's file, None where a database
    has it. `beside`: files and folders under `data` that are copied as they are."""

    data: Path
    archive: Path
    control: Path | None
    beside: Sequence[str] = ()


@dataclass
class Moment:
    """Blocking. `running`: whether the tables were frozen, or are nobody's. `still_s`: how long
    nothing was written to them once they were frozen. `close` it."""

    places: Places
    made_ns: int
    running: bool
    queue: Held = field(default_factory=lambda: Held([]))
    control: ControlCopy | None = None
    still_s: float = 0.0
    _held: list[tuple[str, int]] = field(default_factory=list)

    def hold_rest(self) -> None:
        """The fourth step. Raises StoreError, OSError."""
        if self.places.control is not None:
            self.control = ControlCopy(self.places.control)
        for name in self.places.beside:
            if (self.places.data / name).is_file():
                self._hold(name, self.places.data / name)
        self._hold(HORIZON, self.places.data / HORIZON)
        self._hold(MANIFEST, self.places.archive / "manifest")

    def _hold(self, name: str, path: Path) -> None:
        try:
            self._held.append((name, os.open(path, os.O_RDONLY | os.O_CLOEXEC)))
        except FileNotFoundError:
            return  # there was nothing to say yet

    def small(self) -> Iterator[Item]:
        """Horizon, manifest, and single files beside."""
        for name, descriptor in self._held:
            yield Item(name, os.fstat(descriptor).st_size, _again(descriptor))

    def queued(self) -> Iterator[Item]:
        """What was in the queue."""
        if not self.running:
            directory = self.places.data / "queue"
            yield from (file_item(f"queue/{name}", directory / name) for name in names(directory))
        for file in self.queue.files:
            yield Item(f"queue/{file.path}", file.bytes, _again(file.descriptor))

    def stored(self) -> Iterator[Item]:
        """Files of the tables."""
        for file in frozen.files(self.places.data / "store", frozen=self.running):
            yield file_item(f"store/tables/{file.path}", file.now, fixed=file.fixed)

    def others(self) -> Iterator[Item]:
        """What is in folders beside."""
        for name in self.places.beside:
            for path in sorted((self.places.data / name).rglob("*")):
                if path.is_file() and not path.is_symlink():
                    yield file_item(str(path.relative_to(self.places.data)), path)

    def close(self) -> None:
        """Idempotent; nothing is held any more. Raises OSError."""
        held, self._held = self._held, []
        for _, descriptor in held:
            os.close(descriptor)
        self.queue.close()
        if self.control is not None:
            self.control.close()
        if self.running:
            frozen.left_over(self.places.data / "store")


def stopped(places: Places, now_ns: int) -> Moment:
    """A directory that is nobody's but ours. Raises StoreError, OSError."""
    moment = Moment(places, now_ns, running=False)
    try:
        moment.hold_rest()
    except BaseException:
        moment.close()
        raise
    return moment


def _again(descriptor: int) -> Callable[[], int]:
    return lambda: os.dup(descriptor)
