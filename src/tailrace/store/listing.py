"""Which files of the archive count: what the lines of its manifest come to.

One thread changes a listing while others read it. What is in a day is a list that only grows, or
is put in place of another whole: a reader sees the files of a swap before it or after it, and
never both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from tailrace.core.contracts import Position
from tailrace.core.frame import Signal
from tailrace.store.entries import DAY_NS, ArchiveFile, Base, Entry, Kept, Step, Swap

# Of one signal and tenant, by day.
_Days = dict[int, list[ArchiveFile]]


class Listing:
    """Empty at first; `apply` entries in the order of their lines.

    `upto`: the place in the queue up to which everything is archived. `received_ns`: when the last
    frame came in that is archived, UTC. `steps`, `rows` and `frames`: of all steps there were,
    whatever became of their files. `named`: how often lines name a file, or are one of none.
    """

    def __init__(self) -> None:
        self.upto = Position(0, 0)
        self.received_ns = self.steps = self.rows = self.frames = self.named = 0
        self._files: dict[str, ArchiveFile] = {}
        self._days: defaultdict[tuple[Signal, str], _Days] = defaultdict(dict)

    def apply(self, entry: Entry) -> None:
        """Take in one more line."""
        match entry:
            case Step():
                self._step(entry)
            case Swap():
                self._swap(entry)
            case Base():
                self.upto, self.received_ns = entry.upto, entry.received_ns
                self.steps, self.rows, self.frames = entry.steps, entry.rows, entry.frames
                self.named += 1
            case Kept():
                self._add(entry.files)

    def _step(self, step: Step) -> None:
        self._add(step.files)
        self.upto = step.upto
        self.received_ns = max(self.received_ns, step.received_ns)
        self.steps += 1
        self.rows += step.rows
        self.frames += step.frames

    def _add(self, files: Sequence[ArchiveFile]) -> None:
        self.named += len(files) or 1
        for file in files:
            self._files[file.path] = file
            self._days[file.signal, file.tenant].setdefault(file.day, []).append(file)

    def _swap(self, swap: Swap) -> None:
        self.named += len(swap.removed) + len(swap.added)
        gone = {path: file for path in swap.removed if (file := self._files.get(path))}
        touched = {_place(file) for file in (*gone.values(), *swap.added)}
        for signal, tenant, day in touched:
            days = self._days[signal, tenant]
            left = [file for file in days.get(day, ()) if file.path not in gone]
            left += [file for file in swap.added if _place(file) == (signal, tenant, day)]
            if left:
                days[day] = left
            else:
                days.pop(day, None)
        for path in gone:
            del self._files[path]
        self._files.update((file.path, file) for file in swap.added)

    def base(self) -> Base:
        """What a rewriting keeps beside the files."""
        return Base(self.upto, self.received_ns, self.steps, self.rows, self.frames)

    def get(self, path: str) -> ArchiveFile | None:
        """A file that counts, by its path under the archive."""
        return self._files.get(path)

    def oldest_ns(self, signal: Signal, tenant: str) -> int | None:
        """The first event time that a tenant's files have, UTC nanoseconds."""
        days = self._days.get((signal, tenant))
        return min(file.first_ns for file in days[min(days)]) if days else None

    def files(self) -> list[ArchiveFile]:
        """All that count, in the order they came."""
        return list(self._files.values())

    def days(self) -> Iterator[list[ArchiveFile]]:
        """Those of each signal, tenant and day, the oldest days of each first."""
        for place in list(self._days):
            days = self._days[place]
            for day in sorted(list(days)):
                if files := days.get(day):
                    yield list(files)

    def between(self, signal: Signal, tenant: str, start_ns: int, end_ns: int) -> list[ArchiveFile]:
        """Those that may hold rows of the time, by day."""
        days = self._days.get((signal, tenant), {})
        first, last = start_ns // DAY_NS, end_ns // DAY_NS
        if last - first < len(days):
            wanted = [day for day in range(first, last + 1) if day in days]
        else:
            wanted = sorted(day for day in list(days) if first <= day <= last)
        return [
            file
            for day in wanted
            for file in list(days.get(day, ()))
            if file.first_ns <= end_ns and file.last_ns >= start_ns
        ]


def _place(file: ArchiveFile) -> tuple[Signal, str, int]:
    return file.signal, file.tenant, file.day
