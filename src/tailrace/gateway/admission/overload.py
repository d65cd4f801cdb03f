"""What is shed when the queue fills: what may be late first, logs last."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from tailrace.core import limits
from tailrace.core.clock import Clock
from tailrace.core.contracts import Pressure
from tailrace.core.errors import Busy
from tailrace.core.frame import Frame, Lane, Signal
from tailrace.core.log import get
from tailrace.core.metrics import Metrics
from tailrace.gateway.admission.refusals import Reason

_log = get("gateway")
# The queue is asked at most this often.
_LOOK_S = 0.02
# Senders come back when some of the queue may have drained; the more is shed, the sooner it is.
_RETRY_S = {1: 30.0, 2: 10.0, 3: 5.0}


class Level(IntEnum):
    """How much is shed: each level sheds what those before it shed too."""

    NONE = 0
    BULK = 1
    METRICS = 2
    ALL = 3


_FROM = {
    Level.BULK: limits.OVERLOAD_BULK,
    Level.METRICS: limits.OVERLOAD_METRICS,
    Level.ALL: limits.OVERLOAD_ALL,
}
_REASONS: dict[Level, Reason] = {
    Level.BULK: "overload_bulk",
    Level.METRICS: "overload_metrics",
    Level.ALL: "overload_all",
}


def next_level(level: Level, pressure: float) -> Level:
    """The level after `level` at this pressure, 0 to 1.

    It rises at once to what the pressure has reached, and falls only below what is OVERLOAD_RELIEF
    less, so that a queue that drains by a few frames does not bring everybody back.
    """
    reached = max((step for step, start in _FROM.items() if pressure >= start), default=Level.NONE)
    kept = max(
        (step for step, start in _FROM.items() if pressure >= start - limits.OVERLOAD_RELIEF),
        default=Level.NONE,
    )
    return max(reached, min(level, kept))


class Overload:
    """The level of one process, kept up to date as requests come and as it is looked at."""

    def __init__(self, pressure: Pressure, clock: Clock, metrics: Metrics) -> None:
        self._pressure = pressure
        self._clock = clock
        self._metrics = metrics
        self._level = Level.NONE
        self._looked_s = float("-inf")
        metrics.set("tailrace_overload_level", self._level)

    @property
    def level(self) -> Level:
        now_s = self._clock.monotonic_s()
        if now_s - self._looked_s >= _LOOK_S:
            self._looked_s = now_s
            self._look()
        return self._level

    def check(self, frames: Sequence[Frame]) -> None:
        """Raises Busy when all of `frames` are shed: a request that also holds what is not shed
        cannot be parted, and goes through."""
        needed = max(map(_shed_from, frames), default=Level.ALL)
        if self.level >= needed:
            raise self._busy(needed)

    def check_all(self) -> None:
        """Raises Busy when everything is shed: before a body is read."""
        if self.level is Level.ALL:
            raise self._busy(Level.ALL)

    def _busy(self, shed: Level) -> Busy:
        words = {
            Level.BULK: "what is for the archive alone has to wait",
            Level.METRICS: "metrics have to wait",
            Level.ALL: "nothing more can be taken just now",
        }
        wait_s = _RETRY_S[shed]
        return Busy(f"overload: {words[shed]}; try again", wait_s, reason=_REASONS[shed])

    def _look(self) -> None:
        pressure = self._pressure.pressure()
        level = next_level(self._level, pressure)
        if level is self._level:
            return
        worse = level > self._level
        self._level = level
        self._metrics.set("tailrace_overload_level", level)
        say = _log.warning if worse else _log.info
        say(
            "overload" if level else "overload has passed",
            extra={"sheds": level.name.lower(), "fullness": round(pressure, 3)},
        )


def _shed_from(frame: Frame) -> Level:
    if frame.header.lane is Lane.BULK:
        return Level.BULK
    return Level.METRICS if frame.header.signal is Signal.METRICS else Level.ALL
