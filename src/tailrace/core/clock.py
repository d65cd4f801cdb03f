"""Time as an argument, so that tests own it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """`wall_ns`: UTC nanoseconds, may jump. `monotonic_s`: seconds, never goes back."""

    def wall_ns(self) -> int: ...

    def monotonic_s(self) -> float: ...


class SystemClock:
    """The machine's clocks."""

    def wall_ns(self) -> int:
        return time.time_ns()

    def monotonic_s(self) -> float:
        return time.monotonic()


class ManualClock:
    """A clock that moves only when told. For tests."""

    def __init__(self, wall_ns: int = 1_800_000_000_000_000_000) -> None:
        self._wall_ns = wall_ns
        self._monotonic_s = 0.0

    def wall_ns(self) -> int:
        return self._wall_ns

    def monotonic_s(self) -> float:
        return self._monotonic_s

    def advance(self, seconds: float) -> None:
        """Move both clocks forward."""
        self._wall_ns += int(seconds * 1e9)
        self._monotonic_s += seconds

    def jump_wall(self, seconds: float) -> None:
        """Move only the wall clock, in either direction."""
        self._wall_ns += int(seconds * 1e9)
