"""Detectors of a configuration, each held to its own examples before it may run.

Their patterns are in the language of core/patterns.py, and hyperscan alone reads them, so their
time is linear in the bytes whatever they are; what it cannot compile is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import hyperscan

from tailrace.core.errors import ConfigError
from tailrace.core.patterns import read
from tailrace.guard.checks import iban, luhn, ssn
from tailrace.guard.detectors.detector import Found, Window, digits_of
from tailrace.guard.finder import Finder
from tailrace.guard.normal import normalise
from tailrace.guard.settings import Custom, Validator

_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
# What a detector may look for before its value, and how many words.
_CONTEXT_BYTES = 1_000
_CONTEXT_WORDS = 100
_VALIDATORS: Mapping[Validator, Callable[[bytes], bool]] = {
    "": lambda _: True,
    "luhn": lambda value: bool(digits_of(value)) and luhn(digits_of(value)),
    "mod97": lambda value: iban(normalise("iban", value)),
    "ssn": lambda value: len(digits_of(value)) == 9 and ssn(digits_of(value)),
}


class CustomDetector:
    """A Detector (detectors/detector.py). Thread-safe but for `look`, which takes a lock of the
    engine's own. Raises ConfigError."""

    candidates: Sequence[bytes] = ()

    def __init__(self, key: str, custom: Custom) -> None:
        self.name = self.kind = custom.name
        self.cased = (read(custom.pattern, f"{key}.pattern").text,)
        self.matches = tuple(row.encode() for row in custom.matches)
        self.traps = tuple(row.encode() for row in custom.traps)
        self._valid = _VALIDATORS[custom.validator]
        self._context = [word.lower().encode() for word in custom.context]
        self._context_bytes = custom.context_bytes
        self._spans = _Spans(read(custom.pattern, f"{key}.pattern", whole=True).text, key)

    def promising(self, text: bytes, end: int) -> bool:
        """See Detector."""
        return True

    def look(self, window: Window) -> Iterator[Found]:
        """See Detector. The whole row is looked at, once."""
        if self in window.memo:
            return
        window.memo[self] = True
        row = window.text[window.start : window.stop]
        for start, stop in self._spans.of(row):
            if self._spoken(row, start) and self._valid(row[start:stop]):
                yield Found(window.start + start, window.start + stop, row[start:stop])

    def _spoken(self, row: bytes, start: int) -> bool:
        seen = row[max(0, start - self._context_bytes) : start].lower()
        return not self._context or any(word in seen for word in self._context)


class _Spans:
    """Where a pattern matches: leftmost, then longest, not overlapping."""

    def __init__(self, pattern: bytes, key: str) -> None:
        self._database: Any = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        flags = hyperscan.HS_FLAG_MULTILINE | hyperscan.HS_FLAG_SOM_LEFTMOST
        try:
            self._database.compile(expressions=[pattern], ids=[0], flags=[flags])
        except hyperscan.HyperscanError as error:
            raise ConfigError(
                f"{key}.pattern: cannot run in linear time: {error}; make it shorter, or its "
                "repeats smaller"
            ) from None

    def of(self, row: bytes) -> list[tuple[int, int]]:
        longest: dict[int, int] = {}

        def note(_id: int, start: int, end: int, _flags: int, _context: object) -> None:
            longest[start] = max(longest.get(start, 0), end)

        if row:
            self._database.scan(
                row, match_event_handler=note, scratch=self._database.scratch.clone()
            )
        spans: list[tuple[int, int]] = []
        for start, end in sorted(longest.items()):
            if not spans or start >= spans[-1][1]:
                spans.append((start, end))
        return spans


def custom_detectors(settings: Sequence[Custom], kinds: Collection[str]) -> list[CustomDetector]:
    """Raises ConfigError that names the table and what is wrong with it."""
    found: list[CustomDetector] = []
    for number, custom in enumerate(settings):
        key = f"guard.detectors[{number}]"
        if not _NAME.fullmatch(custom.name):
            raise ConfigError(
                f"{key}.name: a to z, 0 to 9 and _, beginning with a letter, at most 31"
            )
        if custom.name in kinds or custom.name in (one.name for one in found):
            raise ConfigError(f"{key}.name: {custom.name!r} is taken")
        if custom.action in ("approved", "mask"):
            raise ConfigError(
                f"{key}.action: {custom.action} is for other kinds; see docs/guard.md"
            )
        if not 0 < custom.context_bytes <= _CONTEXT_BYTES:
            raise ConfigError(f"{key}.context_bytes: 1 to {_CONTEXT_BYTES}")
        if len(custom.context) > _CONTEXT_WORDS or not all(custom.context):
            raise ConfigError(f"{key}.context: at most {_CONTEXT_WORDS} words, none of them empty")
        if not custom.matches or not custom.traps:
            raise ConfigError(f"{key}: needs rows in `matches` and in `traps`")
        found.append(detector := CustomDetector(key, custom))
        _check_examples(key, detector)
    return found


def _check_examples(key: str, detector: CustomDetector) -> None:
    finder = Finder([detector])
    for listed, expected in (("matches", True), ("traps", False)):
        for number, row in enumerate(getattr(detector, listed)):
            if b"\n" in row:
                raise ConfigError(f"{key}.{listed}[{number}]: must be one line")
            if bool(finder.find(row + b"\n")) is not expected:
                what = "nothing is found in it" if expected else "something is found in it"
                raise ConfigError(f"{key}.{listed}[{number}]: {what}")
