"""Applications that write numbered lines and have their files rotated in every way there is."""

from __future__ import annotations

import os
import random
import re
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from logrotate import PACKED, pack, renumber

from tailrace.core.frame import Frame, Lane
from tailrace.core.payload import expand

TICK_S = 0.02
_LINE = re.compile(rb"(?m)^(?:> |  )?([a-z]\d) (\d+) ")
_PADDING = b"and so on until it is as long as the lines of a shop usually are " * 3


class Arrivals:
    """The numbers of the lines that a gateway has taken, by application."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: dict[str, set[int]] = {}
        self._below: Counter[str] = Counter()

    def add(self, found: Iterable[Frame]) -> None:
        for frame in found:
            if frame.header.lane is not Lane.HOT:
                with self._lock:
                    for name, numbers in numbers_of(frame).items():
                        self._numbers.setdefault(name, set()).update(numbers)

    def below(self, name: str) -> int:
        """All lines of the application below this number are there."""
        with self._lock:
            known = self._numbers.get(name, set())
            while self._below[name] in known:
                self._below[name] += 1
            return self._below[name]

    def missing(self, name: str, end: int) -> list[tuple[int, int]]:
        """Ranges, both ends inclusive, of what is not there below `end`."""
        return ranges(sorted(set(range(end)) - self._numbers.get(name, set())))


def ranges(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Neighbours among sorted numbers as ranges."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def numbers_of(frame: Frame) -> dict[str, list[int]]:
    """Of the lines in a frame, by application; joined lines count each."""
    text = expand(frame.payload, frame.header.bytes).replace(b"\x1e", b"\n")
    found: dict[str, list[int]] = {}
    for name, number in _LINE.findall(text):
        found.setdefault(name.decode(), []).append(int(number))
    assert sum(map(len, found.values())) == text.count(b"\n"), text[:200]
    return found


class Rotated(msgspec.Struct):
    """A file that was rotated away, and the number after its last line."""

    path: Path
    end: int
    busy_until_s: float = 0.0


class App:
    """One log file. What it writes and what is done to it happens in turn, in one thread."""

    def __init__(
        self, path: Path, chance: random.Random, shifts: bool = False, events: bool = False
    ) -> None:
        """`shifts`: rotated files are renumbered each time. `events`: of several lines."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.name = path.stem
        self.next = 0
        self.done: Counter[str] = Counter()
        self.history: list[tuple[float, str, int]] = []
        self._chance = chance
        self._shifts = shifts
        self._events = events
        self._rotated: list[Rotated] = []
        self._rotations = 0
        self._absent_until_s = 0.0
        self._late: Rotated | None = None

    def write(self, lines: int) -> None:
        now_s = time.monotonic()
        if self._late and now_s < self._late.busy_until_s:
            self._append(self._late.path, lines)
            self._late.end = self.next
        elif now_s >= self._absent_until_s:
            self._append(self.path, lines)

    def _append(self, path: Path, lines: int) -> None:
        with path.open("ab", buffering=0) as file:
            file.write(b"".join(self._line() for _ in range(lines)))

    def _line(self) -> bytes:
        chance = self._chance
        begin = b""
        if self._events:
            begin = b"> " if chance.random() < 0.5 else b"  "
        level = b"ERROR" if chance.random() < 0.02 else b"INFO"
        padding = _PADDING[: chance.randrange(80)]
        number, self.next = self.next, self.next + 1
        return b"%s%s %d %s %s\n" % (begin, self.name.encode(), number, level, padding)

    def rotate(self) -> None:
        """In one of all ways; what may be deleted or compressed later is kept in mind."""
        if not self.path.exists():
            return
        how = self._chance.choice(
            ("rename", "rename", "rename only", "write on", "shorter", "equal", "longer")
        )
        pack = self._chance.choice(("", "", "pack at once", "pack later"))
        self.history.append((time.time(), f"{how} {pack}", self.next))
        self.done[how] += 1
        now_s = time.monotonic()
        renames = how in ("rename", "rename only", "write on")
        rotated = self._move() if renames else self._copy(how)
        if how == "rename":
            self.path.touch()
        elif how == "rename only":
            self._absent_until_s = now_s + self._chance.uniform(0.0, 1.5)
        elif how == "write on":
            self._late = rotated
            rotated.busy_until_s = now_s + self._chance.uniform(0.0, 1.0)
        if pack == "pack at once" and how != "write on":
            self._pack(rotated)
        elif pack == "pack later":
            rotated.busy_until_s = max(rotated.busy_until_s, now_s) + self._chance.uniform(0.5, 4.0)

    def _name(self) -> Path:
        self._rotations += 1
        if not self._shifts:
            return self.path.with_name(f"{self.path.name}.{self._rotations}")
        for old in self._rotated:  # from the oldest on: the next number is free
            old.path = renumber(self.path, old.path)
        return self.path.with_name(f"{self.path.name}.1")

    def _move(self) -> Rotated:
        self._rotated.append(Rotated(self.path.rename(self._name()), self.next))
        return self._rotated[-1]

    def _copy(self, how: str) -> Rotated:
        """Copied and truncated; then it is written again, to a length that is shorter or so."""
        before = self.path.stat().st_size
        copy = self._name()
        shutil.copyfile(self.path, copy)
        self._rotated.append(Rotated(copy, self.next))
        os.truncate(self.path, 0)
        if how == "shorter" or before < 1_000:
            self._append(self.path, self._chance.randrange(3))
            return self._rotated[-1]
        parts = []
        size = 0
        while size < before - 400:
            parts.append(self._line())
            size += len(parts[-1])
        number, self.next = self.next, self.next + 1
        begin = b"> " if self._events else b""
        last = b"%s%s %d INFO " % (begin, self.name.encode(), number)
        parts.append(last.ljust(before - size - 1, b".") + b"\n")
        with self.path.open("ab", buffering=0) as file:
            file.write(b"".join(parts))
        assert self.path.stat().st_size == before
        if how == "longer":
            self._append(self.path, 1 + self._chance.randrange(100))
        return self._rotated[-1]

    def _pack(self, rotated: Rotated) -> None:
        kind = self._chance.choice(("gz", "zst"))
        self.done[kind] += 1
        pause_s = self._chance.choice((0.0, 0.005))
        rotated.path = pack(rotated.path, kind, lambda: time.sleep(pause_s))
        self.history.append((time.time(), f"packed {rotated.path.name}", rotated.end))

    def tidy(self, arrived: int) -> None:
        """Compress what is due, delete some of what has surely arrived."""
        now_s = time.monotonic()
        for rotated in list(self._rotated):
            if now_s < rotated.busy_until_s:
                continue
            if rotated is self._late:
                self._late = None
            if rotated.busy_until_s and rotated.path.suffix not in PACKED:
                rotated.busy_until_s = 0.0
                self._pack(rotated)
            if rotated.end <= arrived and self._chance.random() < 0.02:
                self.done["delete"] += 1
                self.history.append((time.time(), f"delete {rotated.path.name}", rotated.end))
                rotated.path.unlink()
                self._rotated.remove(rotated)

    def story(self, wrong: Sequence[tuple[int, int]]) -> str:
        """What happened to the file around the first lines that are wrong."""
        if not wrong:
            return ""
        first = wrong[0][0]
        turn = next((n for n, one in enumerate(self.history) if one[2] > first), 0)
        told = [f"{at_s % 1000:.2f} {how} at {n}" for at_s, how, n in self.history]
        return "\n  ".join(
            [f"{list(wrong[:5])} of {len(wrong)}", *told[max(0, turn - 3) : turn + 9]]
        )

    def settle(self) -> None:
        """The last line, in the file that bears the name."""
        self._late = None
        self._absent_until_s = 0.0
        self._append(self.path, 1)


class Torturer(threading.Thread):
    """Writes `rate` lines a second to the applications together and rotates, until `done`."""

    def __init__(
        self, apps: list[App], arrivals: Arrivals, chance: random.Random, rate: int, turns: float
    ) -> None:
        """`turns`: rotations a second, of all together."""
        super().__init__(name="torturer")
        self._apps = apps
        self._arrivals = arrivals
        self._chance = chance
        self._rate = rate
        self._turns = turns
        self.done = threading.Event()
        self.failed: Exception | None = None

    def run(self) -> None:
        try:
            self._run()
        except Exception as error:
            self.failed = error

    def _run(self) -> None:
        chance = self._chance
        began_s = time.monotonic()
        while not self.done.wait(TICK_S):
            due = int((time.monotonic() - began_s) * self._rate)
            owed = due - sum(app.next for app in self._apps)
            while owed > 0:
                lines = min(owed, chance.randrange(1, 1_500))
                chance.choice(self._apps).write(lines)
                owed -= lines
            if chance.random() < self._turns * TICK_S:
                chance.choice(self._apps).rotate()
            app = chance.choice(self._apps)
            app.tidy(self._arrivals.below(app.name))
        for app in self._apps:
            app.settle()
