r"""The form of a detector: cheap candidates for all bytes, an exact look at the few that remain.

A candidate is an expression for hyperscan, which reports where it ends. It is kept simple, for what
it costs is paid for every byte: classes of fixed width and plain texts run at gigabytes a second,
alternatives and optional parts at a tenth of that. It must not hold a newline, and it may be wrong;
`look` decides. It sees folded text (folding.py): ASCII separators and digits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

# What names of values are made of.
NAME_BYTES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-."
_NAME = frozenset(NAME_BYTES)
# Between a name and its value.
_JOINTS = frozenset(b" \t\"'\\:=#[(>")
_KEY_BYTES = 80
_TAKEN = re.compile(rb"#[a-z0-9_]{1,31}:[0-9a-z]{1,16}|\[redacted:[a-z0-9_]{1,31}\]")
NO_DIGITS = bytes(byte for byte in range(256) if not 48 <= byte <= 57)


class Window(NamedTuple):
    """A candidate that ends before `end` in the row `text[start:stop]`. `memo` is for what was done
    for the whole row and need not be done for its next candidate."""

    text: bytes
    start: int
    stop: int
    end: int
    memo: dict[object, object]


class Found(NamedTuple):
    """`text[start:stop]` of a window; `value` is it normalised, of which pseudonyms are made.
    `kind` is another than the detector's, where it is not ""."""

    start: int
    stop: int
    value: bytes
    kind: str = ""


class Detector(Protocol):
    """`kind` is one of kinds.KINDS. Case does not matter in `candidates`, but does in `cased`.

    `matches` are rows in which it must find something, `traps` are rows in which it must not: the
    tests hold it to them, and those of a configuration are held to them at the start.
    """

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def candidates(self) -> Sequence[bytes]: ...
    @property
    def cased(self) -> Sequence[bytes]: ...
    @property
    def matches(self) -> Sequence[bytes]: ...
    @property
    def traps(self) -> Sequence[bytes]: ...

    def promising(self, text: bytes, end: int) -> bool:
        """False where the candidate that ends before `end` is quickly told to be nothing."""
        ...

    def look(self, window: Window) -> Iterable[Found]:
        """What is there at the candidate, and what was found beside it on the way."""
        ...


Check = Callable[[re.Match[bytes]], "bytes | None"]


class Shape(NamedTuple):
    """Known by its form: `pattern`, with a group "value", looked for from `before` bytes before the
    candidate's end to `after` behind it, and `check`, which normalises or refuses it. `quick` is
    asked first, with the text and the end of the candidate: it costs less. `behind`: so many bytes
    of a candidate may be words that follow the value."""

    name: str
    kind: str
    candidates: Sequence[bytes]
    pattern: re.Pattern[bytes]
    check: Check
    before: int = 48
    after: int = 48
    cased: Sequence[bytes] = ()
    quick: Callable[[bytes, int], object] | None = None
    behind: int = 0
    matches: Sequence[bytes] = ()
    traps: Sequence[bytes] = ()

    def promising(self, text: bytes, end: int) -> bool:
        """See Detector."""
        return self.quick is None or bool(self.quick(text, end))

    def look(self, window: Window) -> Iterable[Found]:
        """See Detector."""
        text, start, stop, end, _memo = window
        low, high = end - self.before, end + self.after
        low, high = low if low > start else start, high if high < stop else stop
        least = end - 1 - self.behind
        found = []
        for match in self.pattern.finditer(text, low, high):
            begin, until = match.span()
            if begin >= end:
                break
            if until >= least:
                if (value := self.check(match)) is not None:
                    found.append(Found(*match.span("value"), value))
                if until >= end - 1:
                    break
        return found


def as_it_is(match: re.Match[bytes]) -> bytes | None:
    """A Check of which the pattern asks all."""
    return match["value"]


def before(match: re.Match[bytes], width: int) -> bytes:
    """At most `width` bytes of the row before the value."""
    start = match.start("value")
    seen: bytes = match.string[max(0, start - width) : start]
    return untaken(seen[seen.rfind(b"\n") + 1 :])


def untaken(seen: bytes) -> bytes:
    """Without what stands where a value was taken out: its name is no word beside another."""
    return _TAKEN.sub(b"", seen) if b"#" in seen or b"[re" in seen else seen


def key_before(text: bytes, at: int, start: int = 0) -> bytes:
    """The name or word that stands directly before `at`, as it is written; empty when none does."""
    low = max(start, at - _KEY_BYTES)
    while at > low and text[at - 1] in _JOINTS:
        at -= 1
    end = at
    while at > low and text[at - 1] in _NAME:
        at -= 1
    return text[at:end]


def digits_of(text: bytes) -> bytes:
    """Only the ASCII digits of a text."""
    return text.translate(None, NO_DIGITS)
