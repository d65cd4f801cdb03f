"""Patterns such as `<ip> - <_> "<method> <_>"`: literals and captures in turn."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tailrace.query.pipeline.step import refuse

_CAPTURE = re.compile(r"<([A-Za-z_][A-Za-z0-9_]*)>")


@dataclass(frozen=True)
class Capture:
    """`<name>`, "_" for one without a name, and the literal after it ("" at the line's end)."""

    name: str
    until: str


@dataclass(frozen=True)
class Pattern:
    """What the line starts with, and the captures after it."""

    start: str
    captures: tuple[Capture, ...]


def parse(text: str, position: int) -> Pattern:
    """Raises QueryError where two captures touch: nothing says where one ends."""
    parts = _CAPTURE.split(text)
    names, literals = parts[1::2], parts[2::2]
    for literal, name in zip(literals, names[1:], strict=False):
        if not literal:
            raise refuse(f"nothing between <{name}> and the capture before it", position)
    return Pattern(parts[0], tuple(map(Capture, names, literals)))


def extractor(text: str, position: int) -> Callable[[str], list[tuple[str, str]]]:
    """What the named captures of a line hold, as far as the line follows the pattern: a capture
    whose literal is missing holds the rest of the line, and is the last.

    Raises QueryError for a pattern without names, or with one twice.
    """
    pattern = parse(text, position)
    names = [capture.name for capture in pattern.captures if capture.name != "_"]
    if not names:
        raise refuse("a pattern needs at least one capture with a name, such as <ip>", position)
    if len(set(names)) < len(names):
        raise refuse("a pattern names two of its captures alike", position)
    start, captures = pattern.start, pattern.captures

    def extract(line: str) -> list[tuple[str, str]]:
        if not line or not line.startswith(start):
            return []
        at = len(start)
        found = []
        for capture in captures:
            end = line.find(capture.until, at) if capture.until else -1
            missing = end < 0
            if capture.name != "_":
                found.append((capture.name, line[at:] if missing else line[at:end]))
            if missing:
                break
            at = end + len(capture.until)
        return found

    return extract


def tester(text: str, position: int) -> Callable[[str], bool]:
    """Whether the whole line follows the pattern; each `<_>` stands for at least one character.

    Raises QueryError for a capture with a name.
    """
    pattern = parse(text, position)
    for capture in pattern.captures:
        if capture.name != "_":
            raise refuse(f"a line filter has no use for the name of <{capture.name}>", position)
    literals = [pattern.start, *(capture.until for capture in pattern.captures)]
    return _whole(literals)


def _whole(literals: Sequence[str]) -> Callable[[str], bool]:
    start, inner, end = literals[0], literals[1:-1], literals[-1]
    if len(literals) == 1:
        return lambda line: line == start

    def follows(line: str) -> bool:
        if not line.startswith(start) or not line.endswith(end):
            return False
        at = len(start)
        for literal in inner:
            at = line.find(literal, at + 1)
            if at < 0:
                return False
            at += len(literal)
        return at < len(line) - len(end)

    return follows
