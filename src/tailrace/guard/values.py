r"""Where the value that follows a name ends, in JSON, JSON within JSON, logfmt, URLs and prose.

A quote within a JSON string is escaped, and within a string of that string twice, so the quotes of
one level have the same number of backslashes before them (0, 1, 3, 7). A value that opens with a
quote ends at the next one of its level.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from tailrace.core.limits import GUARDED_PLAIN_BYTES, GUARDED_VALUE_BYTES

# Backslashes before the quotes of strings within strings. One of each is open at a time, so that
# they are read to their ends.
_LEVELS = frozenset((0, 1, 3, 7, 15))
_SPACE = rb"(?:[ \t\x1e]|\\+[nrt])*"
_SEPARATOR = re.compile(rb"(?P<close>\\*[\"'])?" + _SPACE + rb"(?:=>|[:=>]|%3[Aa]|%3[Dd])" + _SPACE)
_OPENING = re.compile(rb"(?:[bBuUrRfF]{1,2}(?=[\"']))?(?P<slashes>\\*)(?P<quote>[\"'`])")
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][+\-]?\d+)?(?=" + _SPACE + rb"(?:[,}\]]|$))")
_WORD = re.compile(rb"(?:true|false|null|None|True|False|undefined|nil)(?![\w])")
# An unquoted value may hold a comma or semicolon, unless what follows looks like the next name, and
# letters beyond ASCII however they are written.
_PLAIN = re.compile(
    rb"(?:[^\s\x1e,;&\"'<>\\`]|[,;](?![\s\"'\\{]|$|[A-Za-z_][\w.\-]*[=:])|\\\\(?=[^\s\"'])|\\/|"
    rb"\\u(?!00[0-7])[0-9a-fA-F]{4})++"
)
# As many as strings within strings have levels of quotes, and some: readings that are remembered,
# and how often a row is read in all.
_READINGS = 8
# A quote with the backslashes before it, each run of which is looked at once.
_QUOTED = {quote: re.compile(rb"(?<!\\)\\*+" + quote) for quote in (b'"', b"'", b"`")}
_ESCAPED = re.compile(rb'(?<!\\)\\+"')
_PAIRS = {b")": b"(", b"]": b"[", b"}": b"{"}
_OBJECT = re.compile(rb"[{\[]")
_STRUCTURE = re.compile(rb"[{}\[\]]|(?<!\\)\\*\"")


_AFTER_STRING = (b",", b"}", b"]", b" ", b"")


def _is_named(text: bytes, at: int) -> bool:
    """Whether the name before the separator before `at` ends with a quote."""
    head = text[max(0, at - 16) : at].rstrip(b" \t\x1e").rstrip(b"=:>").rstrip(b" \t\x1e")
    return head[-1:] in (b'"', b"'")


class Value(NamedTuple):
    """`text[start:stop]`, without its quotes. `shape`: quoted, plain, number, word (true, null), or
    nested, an object or array whole.

    `last`: up to where nothing of it is left. That is `stop`, but for a value that is longer than
    is read of one, and then where it ends, or where its text ends if it does not close."""

    start: int
    stop: int
    shape: str
    last: int


def after_separator(text: bytes, at: int, stop: int) -> int | None:
    """Where a value may begin behind the name that ends at `at`; None without `=` or `:`."""
    match = _SEPARATOR.match(text, at, stop)
    return match.end() if match else None


def value_at(text: bytes, at: int, stop: int, memo: dict[object, object]) -> Value | None:
    """The value that begins at `at`; None when there is none before `stop`, the row's end.
    `memo` is the row's."""
    row = _row(text, at, stop, memo)
    stop = min(stop, row.bound(at))
    if opening := _OPENING.match(text, at, stop):
        if text[opening.end() : opening.end() + 1] in _AFTER_STRING and not _is_named(text, at):
            return None  # the end of a text that ends with the name
        return _quoted(text, stop, opening, row)
    if word := _WORD.match(text, at, stop):
        return Value(at, word.end(), "word", word.end())
    if number := _NUMBER.match(text, at, stop):
        return Value(at, number.end(), "number", number.end())
    if _OBJECT.match(text, at, stop):
        closing = row.closing(at, stop)
        return Value(at, closing or _cut(text, at, stop), "nested", closing or stop)
    return _unquoted(text, at, min(stop, row.plain_end(at)))


def _unquoted(text: bytes, at: int, stop: int) -> Value | None:
    most = _cut(text, at, stop)
    end = at + len(_within(text[at:most]))
    return Value(at, end, "plain", end if most == stop else stop) if end > at else None


def _cut(text: bytes, at: int, stop: int) -> int:
    """Where a value that begins at `at` ends at the latest, if nothing before `stop` ends it."""
    most = at + GUARDED_PLAIN_BYTES
    return stop if most >= stop else _before_escape(text, at, most)


def _before_escape(text: bytes, at: int, end: int) -> int:
    """Where a value ends that is cut off at `end`: half of an escape is no JSON."""
    return at + len(text[at:end].rstrip(b"\\"))


def _within(value: bytes) -> bytes:
    """Without what is behind it of the sentence or the brackets around it."""
    alone = (closing for closing, opening in _PAIRS.items() if opening not in value)
    return value.rstrip(b"".join((b".,;", *alone)))


def string_end(text: bytes, start: int, stop: int, slashes: int, quote: bytes = b'"') -> int:
    """Of a string whose opening quote had `slashes` backslashes: where its content ends. That is
    before the next quote of its level, or one of a lower level, which ends what holds the string;
    `stop` when there is neither."""
    for match in _QUOTED[quote].finditer(text, start, stop):
        before = match.end() - match.start() - 1
        if before < slashes:
            return match.start()
        if before % (2 * slashes + 2) == slashes:
            return match.end() - 1 - slashes
    return stop


def _quoted(text: bytes, stop: int, opening: re.Match[bytes], row: _Row) -> Value:
    start, quote, slashes = opening.end(), opening["quote"], len(opening["slashes"])
    most = stop if slashes in _LEVELS else min(stop, start + GUARDED_VALUE_BYTES)
    end = string_end(text, start, most, slashes, quote)
    if quote != b'"' and row.is_in_string(opening.start()):
        # JSON around it ends sooner, for an apostrophe may stand alone.
        end = min(end, row.string_end(start))
    if end == most < stop:
        return Value(start, _before_escape(text, start, end), "quoted", stop)
    return Value(start, end, "quoted", end)


class _Reading:
    """Brackets from `at` on, but for those within strings, read as far as was asked for."""

    def __init__(self, text: bytes, at: int, stop: int) -> None:
        self._text = text
        self._stop = stop
        self._done = at
        self._open: list[int] = []
        self._ends: dict[int, int] = {}

    def has(self, at: int) -> bool:
        """Whether the bracket at `at` is one of these: not where it was read within a string."""
        return at in self._ends

    def knows(self, at: int) -> bool:
        """Whether it was read far enough to say where that bracket closes, or that it does not."""
        return self._done >= self._stop or self._ends.get(at, 0) > 0

    def end(self, at: int) -> int:
        """Behind the bracket that closes the one at `at`; 0 when none that was read does."""
        return self._ends.get(at, 0)

    def step(self) -> int:
        """Read the next bracket or string; how many bytes that were."""
        before = self._done
        match = _STRUCTURE.search(self._text, before, self._stop)
        self._done = match.end() if match else self._stop
        if match is None:
            return self._done - before
        token = match[0]
        if token in (b"{", b"["):
            self._open.append(match.start())
            self._ends[match.start()] = 0
        elif token in (b"}", b"]"):
            if self._open:
                self._ends[self._open.pop()] = self._done
        else:
            slashes = len(token) - 1
            end = string_end(self._text, self._done, self._stop, slashes)
            self._done = min(end + slashes + 1, self._stop)
        return self._done - before


class _Closings:
    """Where the brackets of a row close. What is a string depends on where reading begins, so there
    are some readings of it, and each bracket is looked for in those before it is read anew. A row
    of names and brackets that no reading has in common is read a few times; then nothing is said to
    close."""

    def __init__(self, text: bytes, row_bytes: int) -> None:
        self._text = text
        self._left = _READINGS * row_bytes
        self._readings: list[_Reading] = []

    def of(self, at: int, stop: int) -> int:
        """Behind the bracket that closes the one at `at`; 0 when that is not before `stop`, which
        is the same for all that lie in one string."""
        reading = next((one for one in self._readings if one.has(at)), None)
        reading = reading or self._begun(at, stop)
        while self._left > 0 and not reading.knows(at):
            self._left -= reading.step()
        return reading.end(at)

    def _begun(self, at: int, stop: int) -> _Reading:
        reading = _Reading(self._text, at, stop)
        self._readings = [reading, *self._readings[: _READINGS - 1]]
        return reading


class _Row:
    """A row of which values are read: what was read for one is not read again for the next."""

    def __init__(self, text: bytes, at: int, stop: int) -> None:
        self._text = text
        self._stop = stop
        self.closing = _Closings(text, stop - at).of
        self._plain = (0, 0)  # a stretch of which all is part of a plain value
        self._string = (0, 0)  # a stretch without plain quotes
        self._counted = text.rfind(b"\n", 0, at) + 1
        self._is_record = text.startswith(b"{", self._counted)
        self._quotes = 0  # plain ones before `_counted`

    def bound(self, at: int) -> int:
        """What no value at `at` goes beyond: of a record's text its end, else that of the row."""
        inside = self._is_record and self.is_in_string(at)
        return self.string_end(at) if inside else self._stop

    def plain_end(self, at: int) -> int:
        """Where a plain value ends that begins behind a separator."""
        low, high = self._plain
        if not low <= at < high:
            match = _PLAIN.match(self._text, at, self._stop)
            self._plain = at, high = at, match.end() if match else at
        return high

    def string_end(self, at: int) -> int:
        """Where a string ends that has plain quotes and goes on at `at`, behind no backslash."""
        low, high = self._string
        if not low <= at <= high:
            high = string_end(self._text, at, self._stop, 0)
            self._string = at, high
        return high

    def is_in_string(self, at: int) -> bool:
        """Whether an odd number of plain quotes stands before."""
        low = self._counted
        between = _plain_quotes(self._text, min(low, at), max(low, at))
        self._quotes += between if at >= low else -between
        self._counted = at
        return self._quotes % 2 == 1


def _plain_quotes(text: bytes, low: int, high: int) -> int:
    """Those with an even number of backslashes before them."""
    found = text.count(b'"', low, high) - text.count(b'\\"', low, high)
    if text.find(b'\\\\"', low, high) >= 0:
        found += sum(len(one[0]) % 2 for one in _ESCAPED.finditer(text, low, high))
    return found


def _row(text: bytes, at: int, stop: int, memo: dict[object, object]) -> _Row:
    found = memo.get(_Row)
    if not isinstance(found, _Row):
        found = memo[_Row] = _Row(text, at, stop)
    return found


def without_blanks(text: bytes) -> bytes:
    """Without the blanks at its end, escaped ones too."""
    text = text.rstrip(b" \t\r\x1e")
    while text[-1:] in (b"n", b"r", b"t") and text[-2:-1] == b"\\":
        text = text[:-1].rstrip(b"\\").rstrip(b" \t\x1e")
    return text


class _Level:
    """A text of JSON, the row or a string within it: read up to `done`, in so many brackets."""

    __slots__ = ("depth", "done", "high", "quote")

    def __init__(self, done: int, high: int, slashes: int) -> None:
        self.done = done
        self.high = high
        self.depth = 0
        self.quote = b"\\" * slashes + b'"'


class Quotes:
    """The quotes that texts need in place of numbers of JSON in a row `text[low:high]`, which is
    read once: ask in ascending order."""

    def __init__(self, text: bytes, low: int, high: int) -> None:
        self._text = text
        self._low = low
        self._levels = [_Level(low, high, 0)]
        self._high = high

    def of(self, start: int, stop: int) -> bytes:
        """`"` with the backslashes of its level where `text[start:stop]` is a value of JSON outside
        of strings; nothing where it is not."""
        text = self._text
        if not _AFTER.match(text, stop, self._high):
            return b""
        if not _BEFORE.search(text, max(self._low, start - 64), start):
            return b""
        while len(self._levels) > 1 and start >= self._levels[-1].high:
            ended = self._levels.pop()
            self._levels[-1].done = ended.high + len(self._levels[-1].quote)
        return self._read(start)

    def _read(self, at: int) -> bytes:
        text, level = self._text, self._levels[-1]
        while True:
            opening = text.find(level.quote, level.done, at)
            gap = text[level.done : at if opening < 0 else opening]
            closed = gap.count(b"}") + gap.count(b"]")
            level.depth = max(0, level.depth + gap.count(b"{") + gap.count(b"[") - closed)
            if opening < 0:
                level.done = at
                return level.quote if level.depth else b""
            begin = opening + len(level.quote)
            slashes = len(level.quote) - 1
            end = string_end(text, begin, level.high, slashes)
            level.done = end + len(level.quote)
            if at < end:
                level = _Level(begin, end, 2 * slashes + 1)
                self._levels.append(level)


_AFTER = re.compile(_SPACE + rb"(?:[,\]}]|$)")
_BEFORE = re.compile(rb"[:\[,]" + _SPACE + rb"$")
