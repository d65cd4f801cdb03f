"""When the bulk lane may send: within a window of the day, and no faster than a rate."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
import xxhash

from tailrace.core.clock import Clock
from tailrace.core.errors import ConfigError
from tailrace.core.hours import DAY_S, Hours, hours

# The hour may be put forward or back meanwhile.
_LONGEST_WAIT_S = 60.0
_SHORTEST_WAIT_S = 0.001


class Pace(msgspec.Struct, frozen=True):
    """`rate`: bytes per second as they are sent, 0 for any. `window`: "HH:MM-HH:MM" of local time,
    empty for always. `jitter_s`: how much later than the window an agent begins, at most."""

    rate: int = 0
    window: str = ""
    jitter_s: float = 0.0


def window(pace: Pace) -> Hours:
    """When the bulk lane may send. Raises ConfigError."""
    try:
        found = hours(pace.window)
    except ValueError as error:
        raise ConfigError(f"agent.bulk_window: {error}") from None
    if pace.window and pace.jitter_s >= found.length_s:
        raise ConfigError("agent.bulk_jitter must be shorter than agent.bulk_window")
    return found


class Pacing:
    """A bucket of one second's tokens that may go into debt for the last body. One thread."""

    def __init__(
        self,
        pace: Pace,
        source: str,
        clock: Clock,
        local: Callable[[float], time.struct_time] = time.localtime,
    ) -> None:
        """`source`: the agent's name, which decides its share of the jitter.

        Raises ConfigError.
        """
        start_s, length_s = window(pace)
        share = xxhash.xxh3_64_intdigest(source.encode()) / 2**64
        late_s = share * pace.jitter_s if pace.window else 0.0
        self._hours = Hours((start_s + late_s) % DAY_S, length_s - late_s)
        self.rate = pace.rate
        self._clock = clock
        self._local = local
        self._tokens = float(pace.rate)
        self._filled_s = clock.monotonic_s()

    def wait_s(self) -> float:
        """0 when something may be sent now, else the seconds until it is worth asking again."""
        outside_s = self._hours.away_s(self._local(self._clock.wall_ns() / 1e9))
        if outside_s > 0 or not self.rate:
            return min(outside_s, _LONGEST_WAIT_S)
        now_s = self._clock.monotonic_s()
        self._tokens += (now_s - self._filled_s) * self.rate
        self._tokens = min(self._tokens, float(self.rate))
        self._filled_s = now_s
        if self._tokens >= 0:
            return 0.0
        return min(max(_SHORTEST_WAIT_S, -self._tokens / self.rate), _LONGEST_WAIT_S)

    def sent(self, size: int) -> None:
        """Bytes that went out."""
        self._tokens -= size if self.rate else 0
