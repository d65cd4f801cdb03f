"""One pass of hyperscan over all bytes, for all detectors."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import hyperscan

from tailrace.core.errors import ConfigError

ID_BITS = 12


class Candidate(NamedTuple):
    """`id` (below 2**ID_BITS) is what its matches are reported under."""

    id: int
    expression: bytes
    cased: bool = False


class Scanner:
    """Thread-safe. Raises ConfigError for an expression that hyperscan refuses."""

    def __init__(self, candidates: Sequence[Candidate]) -> None:
        self._database: Any = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        both = hyperscan.HS_FLAG_MULTILINE | hyperscan.HS_FLAG_CASELESS
        try:
            self._database.compile(
                expressions=[one.expression for one in candidates],
                ids=[one.id for one in candidates],
                flags=[hyperscan.HS_FLAG_MULTILINE if one.cased else both for one in candidates],
            )
        except hyperscan.HyperscanError as error:
            raise ConfigError(f"guard: a pattern cannot be compiled: {error}") from None
        self._local = threading.local()

    def ends(self, data: bytes) -> list[int]:
        """`end << ID_BITS | id` of all matches, ascending, some of them more than once."""
        found: list[int] = []

        def note(number: int, _start: int, end: int, _flags: int, _context: object) -> None:
            found.append(end << ID_BITS | number)

        scratch = getattr(self._local, "scratch", None)
        if scratch is None:
            scratch = self._local.scratch = self._database.scratch.clone()
        self._database.scan(data, match_event_handler=note, scratch=scratch)
        found.sort()
        return found
