"""All that the detectors find in the rows of a payload, and where."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tailrace.guard.detectors.detector import Detector, Window
from tailrace.guard.folding import FOLDS, Folded
from tailrace.guard.scan import ID_BITS, Candidate, Scanner

_MASK = (1 << ID_BITS) - 1
_BACKSLASH, _NEWLINE = 0x5C, 0x0A
_PSEUDONYM = re.compile(rb"#[a-z0-9_]{1,31}:[0-9a-z]{0,15}$")
_CUT = re.compile(rb"\\[uU][0-9a-fA-F]{0,3}$")
_ENCODED = re.compile(rb"(?:%[0-9A-Fa-f]{2}|[^\s&\"'<>;\\@/%])*")
# A value that begins this close behind a candidate is that candidate's: others within it are done.
_NEAR = 4
# Values from this length on may have met a bound of their detector.
_LONGEST = 120


class Hit(NamedTuple):
    """`data[start:stop]` is of `kind`. `rank` is the place of its detector: lower ones are more
    particular. `value` is normalised."""

    start: int
    stop: int
    rank: int
    kind: str
    value: bytes


class Finder:
    """Thread-safe. Raises ConfigError for detectors whose candidates cannot be compiled."""

    def __init__(self, detectors: Sequence[Detector]) -> None:
        self._detectors = list(detectors)
        self._fold = len(self._detectors)
        candidates = [
            Candidate(number, expression, cased)
            for number, detector in enumerate(detectors)
            for cased, listed in ((False, detector.candidates), (True, detector.cased))
            for expression in listed
        ]
        folds = [Candidate(self._fold, expression) for expression in FOLDS]
        self._scanner = Scanner([*candidates, *folds])

    def find(self, data: bytes) -> list[Hit]:
        """Ascending, one for each place and kind; they may overlap. `data` ends with a newline."""
        ends = self._scanner.ends(data)
        if not ends:
            return []
        hits: dict[tuple[int, int, str], Hit] = {}
        folded = self._folded(data, ends)
        for start, fold in folded.items():
            text = fold.text + b"\n"
            for hit in self._look(text, self._scanner.ends(text), {}):
                begin, stop = start + fold.raw(hit.start), start + fold.raw(hit.stop)
                if hit.kind == "secret":
                    stop = _encoded_end(data, begin, stop)
                _keep(hits, data, hit._replace(start=begin, stop=stop))
        for hit in self._look(data, ends, folded):
            _keep(hits, data, hit)
        return sorted(hits.values())

    def _folded(self, data: bytes, ends: list[int]) -> dict[int, Folded]:
        """The rows that have to be read another way, by their start."""
        found: dict[int, Folded] = {}
        stop = 0
        for packed in ends:
            end = packed >> ID_BITS
            if packed & _MASK == self._fold and end > stop:
                start = data.rfind(b"\n", 0, end - 1) + 1
                stop = data.find(b"\n", end - 1)
                fold = Folded(data[start:stop])
                if not fold.same:
                    found[start] = fold
        return found

    def _look(self, text: bytes, ends: list[int], folded: dict[int, Folded]) -> Iterator[Hit]:
        detectors, fold = self._detectors, self._fold
        promising = [detector.promising for detector in detectors]
        done, last_end = [0] * fold, [-2] * fold
        start, stop = 0, -1
        memo: dict[object, object] = {}
        for packed in ends:
            number, end = packed & _MASK, packed >> ID_BITS
            if number == fold or end <= done[number]:
                continue
            # What goes on for one more byte was seen whole at its first end.
            repeated = end <= last_end[number] + 1
            last_end[number] = end
            if repeated:
                continue
            if not promising[number](text, end):
                continue
            if end > stop + 1:
                inner = end - 1 - (text[end - 1] == _NEWLINE)  # it may end with the newline
                start = text.rfind(b"\n", 0, inner) + 1
                stop = text.find(b"\n", inner)
                memo = {}
            if folded and start in folded:
                continue
            found = detectors[number].look(Window(text, start, stop, end, memo))
            for begin, until, value, kind in found:
                if begin <= end + _NEAR and until > done[number]:
                    done[number] = until
                yield Hit(begin, until, number, kind or detectors[number].kind, value)


_LONG = frozenset(("secret", "api_key", "jwt"))
_TOKEN_END = re.compile(rb"[A-Za-z0-9_\-/.+=~%]*")


def _keep(hits: dict[tuple[int, int, str], Hit], data: bytes, hit: Hit) -> None:
    if _PSEUDONYM.search(data, max(0, hit.start - 48), hit.start):
        return
    if hit.kind in _LONG and hit.stop - hit.start >= _LONGEST:
        end = _TOKEN_END.match(data, hit.stop)  # what reaches a bound goes on behind it
        hit = hit._replace(stop=end.end() if end else hit.stop)
    start = _behind_escape(data, hit.start, hit.stop)
    if start != hit.start:
        hit = hit._replace(start=start)
    hits.setdefault((start, hit.stop, hit.kind), hit)


def _encoded_end(data: bytes, start: int, stop: int) -> int:
    """Where a value of a URL ends: what is encoded in it separates nothing."""
    if data[start - 1 : start] not in (b"=", b":") or data[stop : stop + 1] != b"%":
        return stop
    match = _ENCODED.match(data, stop)
    return match.end() if match else stop


def _behind_escape(data: bytes, start: int, stop: int) -> int:
    r"""The start of a value that does not begin within an escape such as \n or \u0020."""
    if cut := _CUT.search(data, max(0, start - 5), start):
        return min(cut.start() + 6, stop)
    slashes = 0
    while start - slashes > 0 and data[start - slashes - 1] == _BACKSLASH:
        slashes += 1
    if slashes % 2 == 0:
        return start
    return min(start + (5 if data[start] in b"uU" else 1), stop)
