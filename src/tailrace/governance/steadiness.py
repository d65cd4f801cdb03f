"""Whether the wall clock can be believed, before something is done that cannot be undone."""

from __future__ import annotations

import math

from tailrace.core import log
from tailrace.core.clock import Clock

_log = log.get("governance")
# Clocks are set right by seconds; by more they are set wrong, or a machine was asleep.
JUMP_S = 3600.0
# For a person to notice.
WAIT_S = 86_400.0


class Steadiness:
    """Compares `clock`'s wall time with its monotonic one, from now on."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._apart_s = self._now_apart_s()
        self._jumped_s = -math.inf

    def holds(self) -> bool:
        """False from a jump on until the clock went on evenly for WAIT_S. Ask often."""
        apart_s = self._now_apart_s()
        if abs(apart_s - self._apart_s) > JUMP_S:
            _log.warning(
                "the clock has jumped: no key is destroyed by the schedule for a day",
                extra={"by_s": round(apart_s - self._apart_s)},
            )
            self._jumped_s = self._clock.monotonic_s()
        self._apart_s = apart_s
        return self._clock.monotonic_s() - self._jumped_s >= WAIT_S

    def _now_apart_s(self) -> float:
        return self._clock.wall_ns() / 1e9 - self._clock.monotonic_s()
