"""When the bulk lane may send: within a window of the day, and no faster than a rate."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import msgspec
import xxhash

from tailrace.core.clock import Clock
from tailrace.core.errors import ConfigError

DAY_S = 86_400.0
# The hour may be put forward or back meanwhile.
_LONGEST_WAIT_S = 60.0
_SHORTEST_WAIT_S = 0.001
_WINDOW = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])")


class Pace(msgspec.Struct, frozen=True):
    """`rate`: bytes per second as they are sent, 0 for any. `window`: "HH:MM-HH:MM" of local time,
    empty for always. `jitter_s`: how much later than the window an agent begins, at most."""

    rate: int = 0
    window: str = ""
    jitter_s: float = 0.0


def window(pace: Pace) -> tuple[float, float]:
    """Start, in seconds of the day, and length. Raises ConfigError."""
    if not pace.window:
        return 0.0, DAY_S
    found = _WINDOW.fullmatch(pace.window)
    if not found:
        raise ConfigError(f'agent.bulk_window: {pace.window!r} is not such as "01:00-05:00"')
    hour, minute, end_hour, end_minute = map(int, found.groups())
    start_s = hour * 3600.0 + minute * 60.0
    length_s = (end_hour * 3600.0 + end_minute * 60.0 - start_s) % DAY_S
    if not length_s:
        raise ConfigError(f"agent.bulk_window: {pace.window!r} is empty; leave it out for always")
    if pace.jitter_s >= length_s:
        raise ConfigError("agent.bulk_jitter must be shorter than agent.bulk_window")
    return start_s, length_s


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
        self._start_s = (start_s + late_s) % DAY_S
        self._length_s = length_s - late_s
        self.rate = pace.rate
        self._clock = clock
        self._local = local
        self._tokens = float(pace.rate)
        self._filled_s = clock.monotonic_s()

    def wait_s(self) -> float:
        """0 when something may be sent now, else the seconds until it is worth asking again."""
        outside_s = self._outside_s()
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

    def _outside_s(self) -> float:
        now = self._local(self._clock.wall_ns() / 1e9)
        into_s = now.tm_hour * 3600.0 + now.tm_min * 60.0 + now.tm_sec - self._start_s
        into_s %= DAY_S
        return DAY_S - into_s if into_s >= self._length_s else 0.0
