"""Whether the wall clock was set: what alerts remember is moved by as much then."""

from __future__ import annotations

from tailrace.core.clock import Clock

# Clocks of machines are corrected by less; a jump is more.
_JUMP_NS = 2_000_000_000


class Jumps:
    """Of one clock, from now on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead_ns = self._difference_ns()

    def by_ns(self) -> int:
        """By how much it was set since the last look; 0 where it was not, or is corrected
        slowly."""
        ahead_ns = self._difference_ns()
        by_ns, self._ahead_ns = ahead_ns - self._ahead_ns, ahead_ns
        return by_ns if abs(by_ns) >= _JUMP_NS else 0

    def _difference_ns(self) -> int:
        return self._clock.wall_ns() - int(self._clock.monotonic_s() * 1e9)
