"""Random histories of one log: rotations between and inside the rounds of an agent, which dies in
any place."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from driving import Bench
from logrotate import PACKED, pack, renumber

from tailrace.agent.inputs import Files

FILE_ACTIONS = [
    *["write"] * 4,
    "rename",
    "rename and create",
    "write on",
    "copy, then shorter",
    "copy, then equal",
    "copy, then longer",
    "pack at once",
    "pack",
    "pack",
    "delete",
]
ACTIONS = [*FILE_ACTIONS, *["step"] * 8, "kill", "kill", "wait"]
# Between what these do and the next, anything may happen to the files, or the agent may end.
_SEAMS = {
    "reader": ("_take", "_commit", "save"),
    "tail": ("look", "ready", "rewind", "_admit", "_begin", "_find_lost", "_follow"),
    "rotation": ("seek_missed", "resume"),
    "table": ("finish",),
    "spool": ("append",),
    "checkpoints": ("save",),
}
# Actions inside one round: each may lead to more seams.
_INSIDE = 6


class Killed(BaseException):
    """The process is gone: nobody can catch it."""


@dataclass
class Generation:
    """A file that was rotated away, and how many lines were written before its end."""

    path: Path
    end: int


class History:
    """Everything comes from `seed`, except what the file system makes of it: times and inodes."""

    def __init__(self, root: Path, seed: int) -> None:
        chance = self._chance = random.Random(seed)
        self.told: list[str] = []
        self._written: list[bytes] = []
        self._rotated: list[Generation] = []
        self._rotations = 0
        self._late: Generation | None = None
        self._inside = _INSIDE  # as many as are allowed: none before the first round
        self._stepping = False
        pattern = chance.choice(("*.log", "*.log*"))
        self._shifts = chance.random() < 0.3
        self._few = chance.random() < 0.3
        self._change_chance = chance.choice((0.0, 0.02, 0.1))
        self._kill_chance = chance.choice((0.0, 0.01, 0.05))
        self._tell(pattern, "shifts" if self._shifts else "", "few" if self._few else "")
        self._bench = Bench(root, inputs=[Files(paths=[str(root / "logs" / pattern)])])
        self._log = self._bench.log
        self._watch()

    def run(self, length: int) -> None:
        """`length` actions after a first line that is read, then time for what waits."""
        self._write()
        self._bench.step()
        for _ in range(length):
            action = self._chance.choice(ACTIONS)
            if action == "step":
                self._step(self._chance.choice((0.1, 0.5, 1.5, 7.0)))
            elif action == "kill":
                self._restart()
            elif action == "wait":
                for _ in range(8):
                    self._step(3.0)
            else:
                self._act(action)
            if self._chance.random() < 0.1:
                time.sleep(0.012)  # the clock of the file system goes on: nothing else shows it
        self._inside = _INSIDE
        self._late = None
        self._append(self._log, 1)
        self._tell("the end")
        time.sleep(0.15)  # a folder that changed just now is looked into again and again
        for _ in range(60):
            self._bench.step(3.0)
        self._bench.close()

    def wrong(self) -> str:
        """Numbers of lines that are missing or twice, and what happened; "" for none."""
        arrived = sorted(_number(line) for line in self._bench.lines)
        expected = sorted(_number(line) for line in self._written)
        if arrived == expected:
            return ""
        lost = sorted(set(expected) - set(arrived))
        twice = sorted({n for n in arrived if arrived.count(n) > 1})
        return "\n".join([f"lost {lost}, twice {twice}", *self.told])

    def _watch(self) -> None:
        reader = self._bench.reader
        tail = reader._tail
        if self._few:
            tail.table.open_files = 2
        owners: dict[str, Any] = {
            "reader": reader,
            "tail": tail,
            "rotation": tail._rotation,
            "table": tail.table,
            "spool": reader._spool,
            "checkpoints": reader._checkpoints,
        }
        for name, methods in _SEAMS.items():
            for method in methods:
                seam = self._seam(getattr(owners[name], method), f"{name}.{method}")
                setattr(owners[name], method, seam)

    def _seam(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def seam(*args: Any, **named: Any) -> Any:
            self._interrupt(f"before {name}")
            found = function(*args, **named)
            self._interrupt(f"after {name}")
            return found

        return seam

    def _interrupt(self, where: str) -> None:
        if self._inside >= _INSIDE:
            return
        if self._chance.random() < self._change_chance:
            before, self._inside = self._inside, _INSIDE
            self._tell(f"  {where}:")
            self._act(self._chance.choice(FILE_ACTIONS))
            self._inside = before + 1
        if self._chance.random() < self._kill_chance:
            self._tell(f"  {where}: killed")
            raise Killed

    def _step(self, seconds: float, allowed: int = _INSIDE) -> None:
        self._inside = _INSIDE - allowed
        self._stepping = True
        try:
            found = self._bench.step(seconds)
            ends = [_number(line) for line in (*found[:1], *found[-1:])]
            self._tell(f"step {seconds}: {len(found)} lines", ends)
        except Killed:
            self._restart()
        finally:
            self._stepping = False
            self._inside = _INSIDE

    def _restart(self) -> None:
        self._tell("restart")
        self._bench.restart()
        self._watch()

    def _act(self, action: str) -> None:
        if action == "pack":
            plain = [one for one in self._rotated if one.path.suffix not in PACKED]
            if plain:
                self._pack(self._chance.choice(plain))
        elif action == "delete":
            self._delete()
        elif action == "write" or not self._log.exists():
            self._write()
        elif action.startswith("copy"):
            self._copy(action)
        else:
            rotated = Generation(self._log.rename(self._name()), len(self._written))
            self._rotated.append(rotated)
            self._late = rotated if action == "write on" else None
            self._tell(action, rotated.path.name)
            if action == "rename and create":
                self._log.touch()
            elif action == "pack at once":
                self._pack(rotated)

    def _line(self, length: int = 0) -> bytes:
        padding = b"x" * (length or self._chance.randrange(80))
        line = b"line %d %s" % (len(self._written), padding)
        self._written.append(line)
        return line

    def _append(self, path: Path, lines: int) -> None:
        data = b"".join(self._line() + b"\n" for _ in range(lines))
        with path.open("ab", buffering=0) as file:
            file.write(data)

    def _write(self) -> None:
        first = len(self._written)
        if self._late and self._chance.random() < 0.3:
            self._late = None
        path = self._late.path if self._late else self._log
        self._append(path, self._chance.choice((1, 2, 5, 30)))
        if self._late:
            self._late.end = len(self._written)
        self._tell(f"write {first} to {len(self._written) - 1} to {path.name}")

    def _name(self) -> Path:
        """Of the next file that is rotated away."""
        self._rotations += 1
        if not self._shifts:
            return self._log.with_name(f"a.log.{self._rotations}")
        for old in self._rotated:  # from the oldest on: the next number is free
            old.path = renumber(self._log, old.path)
        return self._log.with_name("a.log.1")

    def _copy(self, action: str) -> None:
        size = self._log.stat().st_size
        copy = self._name()
        shutil.copyfile(self._log, copy)
        self._rotated.append(Generation(copy, len(self._written)))
        self._late = None
        os.truncate(self._log, 0)
        if action == "copy, then shorter" or size < 1_000:
            self._append(self._log, self._chance.randrange(3))
        else:
            self._fill(size)
            if action == "copy, then longer":
                self._append(self._log, self._chance.randrange(1, 20))
        self._tell(action, copy.name, f"to {len(self._written) - 1}")

    def _fill(self, size: int) -> None:
        """The log to exactly so many bytes."""
        data = b""
        while len(data) < size - 400:
            data += self._line() + b"\n"
        head = len(b"line %d \n" % len(self._written))
        data += self._line(size - len(data) - head) + b"\n"
        assert len(data) == size
        with self._log.open("ab", buffering=0) as file:
            file.write(data)

    def _pack(self, rotated: Generation) -> None:
        if rotated is self._late:
            self._late = None
        kind = self._chance.choice(("gz", "zst"))
        looks = not self._stepping and self._chance.random() < 0.3
        rotated.path = pack(
            rotated.path, kind, lambda: self._step(1.5, allowed=0) if looks else None
        )
        self._tell("packed", rotated.path.name)

    def _delete(self) -> None:
        """Only what has surely arrived."""
        arrived = set(self._bench.lines)
        done = [one for one in self._rotated if arrived.issuperset(self._written[: one.end])]
        if done:
            rotated = self._chance.choice(done)
            self._rotated.remove(rotated)
            self._late = None if rotated is self._late else self._late
            rotated.path.unlink()
            self._tell("delete", rotated.path.name)

    def _tell(self, *words: object) -> None:
        self.told.append(" ".join(map(str, words)))


def _number(line: bytes) -> int:
    return int(line.split()[1])


def play(seed: int) -> str:
    """One history; what is wrong with it."""
    with tempfile.TemporaryDirectory() as folder:
        history = History(Path(folder), seed)
        history.run(random.Random(~seed).choice((5, 10, 20, 40)))
        return history.wrong()
