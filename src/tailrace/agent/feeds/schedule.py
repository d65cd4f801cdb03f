"""Work that recurs: when its runs are due, and the thread that makes them."""

from __future__ import annotations

import threading
from collections.abc import Callable

import xxhash

from tailrace.core import log
from tailrace.core.clock import Clock

_log = log.get("agent")
# First runs are spread over the interval, or over this when it is longer: nobody waits an hour for
# the first answer.
SPREAD_S = 60.0
STOP_S = 1.0


class Ticks:
    """When runs are due: each `interval_s`, at a place in it that `name` stands for.

    The place is the same after each start, and another one for another name, so that the agents of
    a fleet that name themselves do not run all at once.
    """

    def __init__(self, name: str, interval_s: float, clock: Clock) -> None:
        self._interval_s = interval_s
        self._clock = clock
        spread_s = min(interval_s, SPREAD_S)
        place_s = xxhash.xxh3_64_intdigest(name.encode()) / 2**64 * spread_s
        self._due_s = clock.monotonic_s() + (place_s - clock.wall_ns() / 1e9) % spread_s

    def wait_s(self) -> float:
        """Seconds until the next run is due, 0 when it is."""
        return max(0.0, self._due_s - self._clock.monotonic_s())

    def ran(self) -> int:
        """The run that was due has ended: how many others came due meanwhile. They are left out."""
        late_s = max(0.0, self._clock.monotonic_s() - self._due_s)
        missed = int(late_s / self._interval_s)
        self._due_s += (missed + 1) * self._interval_s
        return missed


class Schedule:
    """One thread that calls `task` when it is due, never twice at once.

    `task` is given the number of runs left out since the last. What it raises is logged.
    `stopping` is set when no more runs will begin; a task that waits should look at it.
    """

    def __init__(
        self, name: str, interval_s: float, task: Callable[[int], None], clock: Clock
    ) -> None:
        self._name = name
        self._interval_s = interval_s
        self._task = task
        self._clock = clock
        self._thread = threading.Thread(target=self._run, name="agent-fetch", daemon=True)
        self.stopping = threading.Event()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Begin no more runs. Waits a moment for one that is under way."""
        self.stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def _run(self) -> None:
        ticks = Ticks(self._name, self._interval_s, self._clock)
        missed = 0
        while not self.stopping.wait(ticks.wait_s()):
            try:
                self._task(missed)
            except Exception as error:
                _log.error("scheduled input failed; trying again", exc_info=error)
            missed = ticks.ran()
