"""The shape of a line: its text with what varies as `<_>`. A function of the line alone, so that
the same line has the same shape tomorrow and in another range of time.

The engine does the part that must see every line: words with a digit in them. What is left to do
is done here, on the few shapes that there are: what joins such words to times, addresses, ids and
versions, names of days and months in front of them, signs, groups of hexadecimal digits that are
letters by chance, and runs of `<_>`, so that lists of any length are one.
"""

from __future__ import annotations

import re

from tailrace.core.limits import PATTERN_CHARS, PATTERN_READ_BYTES

ANY = "<_>"
# One class after another: the engine does twice as many lines a second as with what joins words.
_VARIABLE = "[A-Za-z]*[0-9][0-9A-Za-z_]*"
# The first line of a body: a stack trace is known by it. One that begins with a newline is whole.
_FIRST = (
    f"substring(Body, 1, if(position(Body, '\n', 2) = 0, {PATTERN_READ_BYTES}, "
    f"least({PATTERN_READ_BYTES}, position(Body, '\n', 2) - 1)))"
)
_REPLACED = f"replaceRegexpAll({_FIRST}, '{_VARIABLE}', '{ANY}')"
# A shape of the engine. That a line goes on is written as one more `<_>`, so that as a pattern it
# matches the line. It is cut when what varies is gone, so that values of other lengths do not cut
# it elsewhere.
SHAPE_SQL = (
    f"concat(substring({_REPLACED}, 1, {PATTERN_CHARS}), "
    f"if(length({_FIRST}) < length(Body) OR length({_REPLACED}) > {PATTERN_CHARS}, '{ANY}', ''))"
)

_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_MONTH = re.compile(rf"\b(?:{_MONTHS})\b(?=[ ,/-]+<_>)")
_DAY = re.compile(r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b(?=[ ,]+<_>)")
# Of addresses and UUIDs: `<_>-beef-<_>`, and the last group of `<_>:ab`.
_LETTERS = re.compile(r"<_>([-:])[a-fA-F]{2,4}(?=\1<_>)")
_LAST = re.compile(r"<_>:[a-fA-F]{2}(?!\w)")
_SIGN = re.compile(r"(?<![A-Za-z0-9>])[+-]<_>")
# What one step leaves may be something to do for another.
_PASSES = 8
_RUN = re.compile(r"<_>(?:[\s.:/,;+-]*<_>)+")
# Spaces beside a hole at the edge, and a hole that was cut before the last one.
_EDGE = re.compile(r"\A\s+<_>|(?:<_?)?<_>\s*\Z")


def finished(shape: str) -> str:
    """The shape of a line from the engine's part of it; what is finished stays as it is."""
    for _ in range(_PASSES):
        before, shape = shape, _pass(shape)
        if shape == before:
            break
    return shape


def _pass(shape: str) -> str:
    found = _DAY.sub(ANY, _MONTH.sub(ANY, shape.replace("\0", "\ufffd")))
    found = _LAST.sub(ANY, _LETTERS.sub(ANY, found))
    words = _EDGE.sub(ANY, _RUN.sub(ANY, _SIGN.sub(ANY, found))).split(" ")
    return " ".join(
        word
        for word, before in zip(words, ("", *words), strict=False)
        if word != before or ANY not in word
    )
