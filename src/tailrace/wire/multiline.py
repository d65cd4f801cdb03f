r"""Which lines belong to the one before: stack traces, or what an expression of first lines says.

An event is one line or several. In a joined event each newline but the last is the byte JOIN, so
that every reader of lines takes it for one line; `Hints.newline` of the frame says so, and the
store puts the newlines back. A JOIN that the text holds itself becomes a space.

Everything here works on whole buffers: lines are looked at only near those that are indented as
frames of a trace are. What is decided about an event depends on its own lines and a few behind it,
never on what came before it; so a flow of lines may be cut wherever `complete` says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple, Protocol

from tailrace.core import limits
from tailrace.wire.expressions import compiled, stays_in_line
from tailrace.wire.lines import long_lines
from tailrace.wire.traces import AT, CONSOLE, GO, HEAD_LINES, PYTHON, Grammar, begins_log

JOIN = b"\x1e"
_JOIN = JOIN[0]
_NEWLINE = ord("\n")
# Bytes before the first frame of a trace that may belong to it.
_HEAD_BYTES = 16 * limits.KIB
# A first line says so at its beginning; matching is bounded by this, not by the line.
_START_BYTES = limits.KIB
_GRAMMARS = {
    "auto": (AT, PYTHON, GO, CONSOLE),
    "python": (PYTHON,),
    "java": (AT,),
    "go": (GO,),
    "node": (AT,),
    "dotnet": (AT, CONSOLE),
}


class Joiner(Protocol):
    """Joins lines to events. `data` is whole lines, each ending with a newline."""

    def join(self, data: bytes, lines: int | None = None) -> tuple[bytes, int]:
        """`data` with the newlines inside events as JOIN, and the number of events.

        As many bytes as before; the same object when nothing was joined. An event is at most
        LINE_BYTES long, newline not counted: a longer one is ended before that and its next line
        begins another. `lines`: the number of lines, where it is known.
        """
        ...

    def complete(self, data: bytes) -> int:
        """How many bytes, from the start, are events that no further line can change.

        Joining those, and later the rest with what follows it, gives the same events as joining
        all at once.
        """
        ...


def joiner_of(mode: str, start: str = "") -> Joiner:
    """A joiner for a mode of `multiline`; `start` is the expression of first lines, for "start".

    Raises ValueError that says what is wrong with the mode or with the expression.
    """
    if mode == "start":
        return StartJoiner(_first_line(start))
    if start:
        raise ValueError(f'an expression of first lines is for "start", not for "{mode}"')
    if mode not in _GRAMMARS:
        raise ValueError(f"{mode!r} is none of {', '.join((*_GRAMMARS, 'start'))}")
    return TraceJoiner(_GRAMMARS[mode])


def _first_line(expression: str) -> re.Pattern[bytes]:
    if not expression:
        raise ValueError('"start" needs an expression of first lines')
    first = compiled(expression)
    if first.match(b""):
        raise ValueError("the expression of first lines must not match an empty line")
    return first


class Run(NamedTuple):
    """An event of several lines: where its trace ends, where it ends itself, and whether no
    further line can change that."""

    start: int
    trace: int
    end: int
    settled: bool
    grammar: Grammar


class TraceJoiner:
    """Joins stack traces, each with the log line that it was printed for."""

    def __init__(self, grammars: tuple[Grammar, ...]) -> None:
        self._grammars = grammars
        frames = rb"|".join(grammar.frame.pattern for grammar in grammars)
        self._is_frame = re.compile(frames).match
        # All frames are indented: a look at one character tells most lines that are not.
        self._behind = re.compile(rb"\n(?=[ \t])(?=" + frames + rb")").search

    def join(self, data: bytes, lines: int | None = None) -> tuple[bytes, int]:
        lines = data.count(b"\n") if lines is None else lines
        data = without_join(data)
        if self._frame(data, 0) < 0:
            return data, lines
        return joined(data, self._runs(data), lines)

    def complete(self, data: bytes) -> int:
        runs = self._runs(data)
        settled = self._unclaimed(data, runs[-1].end if runs else 0)
        for run in runs:
            if not run.settled:
                settled = min(settled, run.start)
                break
        # Lines behind a trace are taken for its message where the data ends. They are none if it
        # goes on otherwise, so it must not seem to end there.
        for run in reversed(runs):
            rest = _rest(data, run.start, run.trace, run.grammar, settled)
            if rest and run.end < settled == rest.end():
                settled = run.start
        return settled

    def _runs(self, data: bytes) -> list[Run]:
        found: list[Run] = []
        floor = 0
        frame = self._frame(data, 0)
        while frame >= 0:
            run = self._run(data, floor, frame)
            if run is None:
                frame = self._frame_behind(data, frame)
                continue
            found.append(run)
            # Only lines that are in no other event are looked at from here on.
            floor = run.end
            frame = self._frame(data, floor)
        return found

    def _frame(self, data: bytes, line: int) -> int:
        """The first line, this one or behind it, that looks like a frame; -1 when none does."""
        return line if self._is_frame(data, line) else self._frame_behind(data, line)

    def _frame_behind(self, data: bytes, line: int) -> int:
        found = self._behind(data, line)
        return found.end() if found else -1

    def _run(self, data: bytes, floor: int, frame: int) -> Run | None:
        """The event with this first frame; None where that is none."""
        for grammar in self._grammars:
            if grammar.frame.match(data, frame):
                start = _head(data, floor, frame, grammar)
                if start >= 0:
                    return _grown(data, start, frame, grammar)
        return None

    def _unclaimed(self, data: bytes, floor: int) -> int:
        """Where the last lines begin that a frame behind them would claim."""
        starts = _starts(data, floor, len(data))
        last_is_blank = data.endswith((b"\n\n", b"\n\r\n")) or data in (b"\n", b"\r\n")
        held = len(data) if last_is_blank or not starts else starts[-1]
        for start in starts:
            if any(grammar.heading.fullmatch(data, start) for grammar in self._grammars):
                return min(start, held)
        return held


def _head(data: bytes, floor: int, frame: int, grammar: Grammar) -> int:
    """Where the event of this first frame begins; -1 where that frame is none."""
    starts = _starts(data, floor, frame, grammar.reach)
    for start in starts:
        if grammar.head.fullmatch(data, start, frame):
            return start
    if grammar.lone == "ignored":
        return -1
    joins = grammar.lone == "joins" and starts and data[starts[-1] : frame].strip()
    return starts[-1] if joins else frame


def _starts(data: bytes, floor: int, end: int, most: int = HEAD_LINES) -> list[int]:
    """Where the last few lines before `end` begin, at `floor` or behind it."""
    found: list[int] = []
    position = end
    while position > floor and len(found) < most:
        position = data.rfind(b"\n", floor, position - 1) + 1 or floor
        if found and end - position > _HEAD_BYTES:
            break
        found.append(position)
    return found[::-1]


def _grown(data: bytes, start: int, frame: int, grammar: Grammar) -> Run:
    last = end = frame
    while end - start <= limits.LINE_BYTES + 1:
        unit = grammar.unit.match(data, end)
        if unit is None:
            return _ended(data, start, last, end, grammar)
        last, end = end, unit.end()
    end = part_end(data, start, b"\n")
    return Run(start, end, end, True, grammar)


def _ended(data: bytes, start: int, last: int, end: int, grammar: Grammar) -> Run:
    """The event of which no unit follows `end`; `last` is where its last unit begins."""
    pending = end == len(data) or any(
        grammar.pending.fullmatch(data, place) for place in (last, end)
    )
    rest = _rest(data, start, end, grammar, len(data))
    whole = rest.end() if rest else end
    return Run(start, end, whole, not pending, grammar)


def _rest(
    data: bytes, start: int, trace: int, grammar: Grammar, end: int
) -> re.Match[bytes] | None:
    """What ends an event that begins with a log line, in data that ends at `end`."""
    if grammar.rest is None or not begins_log(data, start):
        return None
    rest = grammar.rest.match(data, trace, end)
    return rest if rest and rest.end() - start <= limits.LINE_BYTES + 1 else None


def part_end(data: bytes | bytearray, start: int, newline: bytes) -> int:
    """Where an event that is too long is ended: behind its last line that fits, or its first."""
    cut = data.rfind(newline, start, start + limits.LINE_BYTES + 1)
    return (cut if cut >= 0 else data.index(newline, start)) + 1


def without_join(data: bytes) -> bytes:
    """`data` in which JOIN stands for nothing yet."""
    return data.replace(JOIN, b" ") if JOIN in data else data


def joined(data: bytes, runs: list[Run], lines: int) -> tuple[bytes, int]:
    """`data` with these events joined, and the number of all events."""
    pieces: list[bytes] = []
    position = 0
    for start, _, end, _, _ in runs:
        inner = data[start : end - 1]
        lines -= inner.count(b"\n")
        pieces += [data[position:start], inner.replace(b"\n", JOIN)]
        position = end - 1
    pieces.append(data[position:])
    return b"".join(pieces), lines


class StartJoiner:
    """Joins to each line that `first` finds at its beginning the lines up to the next one.

    `pair`: where a line that starts with the one stands directly behind a line that starts with the
    other, it begins nothing.
    """

    def __init__(self, first: re.Pattern[bytes], pair: tuple[bytes, bytes] | None = None) -> None:
        self._match = first.match
        self._pair = pair
        # Three times as fast as line by line; only where no line behind can make a difference.
        self._others = None
        if pair is None and stays_in_line(first):
            self._others = re.compile(rb"\n(?!" + first.pattern + rb")", re.MULTILINE).finditer

    def join(self, data: bytes, lines: int | None = None) -> tuple[bytes, int]:
        data = without_join(data)
        lines = data.count(b"\n") if lines is None else lines
        inner = self._inner(data)
        if not inner:
            return data, lines
        marked = bytearray(data)
        for place in inner:
            marked[place] = _JOIN
        events = lines - len(inner)
        for start, end in long_lines(marked, limits.LINE_BYTES):
            events += _end_long(marked, start, end)
        return bytes(marked), events

    def _inner(self, data: bytes) -> list[int]:
        """Where the newlines are that stand before a line that begins no event."""
        if self._others and not long_lines(data, _START_BYTES):
            # Behind the last newline there is no line.
            return [found.start() for found in self._others(data)][:-1]
        split = data.split(b"\n")
        split.pop()
        match = self._match
        numbers = [n for n, line in enumerate(split) if n and match(line[:_START_BYTES]) is None]
        if self._pair:
            numbers = sorted({*numbers, *self._paired(split, *self._pair)})
        lengths = list(accumulate(map(len, split))) if numbers else []
        return [lengths[number - 1] + number - 1 for number in numbers]

    @staticmethod
    def _paired(split: list[bytes], line: bytes, behind: bytes) -> Iterator[int]:
        for number in range(1, len(split)):
            if split[number].startswith(line) and split[number - 1].startswith(behind):
                yield number

    def complete(self, data: bytes) -> int:
        start = self._last(data)
        while len(data) - start > limits.LINE_BYTES + 1:
            end = part_end(data, start, b"\n")
            if end == len(data):
                break
            start = end
        return start

    def _last(self, data: bytes) -> int:
        """Where the last event begins."""
        start = len(data)
        while start > 0:
            end = start
            start = data.rfind(b"\n", 0, end - 1) + 1
            begins = self._match(data[start : min(end - 1, start + _START_BYTES)])
            if begins and not self._is_paired(data, start):
                break
        return start

    def _is_paired(self, data: bytes, start: int) -> bool:
        if self._pair is None or not start or not data.startswith(self._pair[0], start):
            return False
        return data.startswith(self._pair[1], data.rfind(b"\n", 0, start - 1) + 1)


def _end_long(marked: bytearray, start: int, end: int) -> int:
    """End the event that is too long as often as needed; how often that was."""
    ended = 0
    while end - start > limits.LINE_BYTES:
        if marked.find(JOIN, start, end) < 0:
            break
        start = min(part_end(marked, start, JOIN), end)
        marked[start - 1] = _NEWLINE
        ended += 1
    return ended
