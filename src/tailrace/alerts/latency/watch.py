"""Says when alerts would be late, even where nothing else works any more.

It has a thread of its own, so that neither an evaluation nor an event loop that hangs keeps it
silent, and asks nobody: neither the store, nor the control store, nor the network.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from tailrace.alerts.latency.canary import Canary, Stage, State
from tailrace.core import limits
from tailrace.core.clock import Clock
from tailrace.core.log import get
from tailrace.core.metrics import Metrics

_log = get("alerts")
_LOOK_S = 5.0
_REPEAT_S = limits.ALERTS_LATE_WINDOW_S
_WORDS: dict[Stage, str] = {
    "received": "to be received",
    "durable": "to be durable",
    "queryable": "to be found by queries",
    "evaluated": "to be evaluated",
}


@dataclass(frozen=True)
class Verdict:
    """`slow`: too many lines are late; `silent`: none came through for too long. `words` say what
    is late, "" when all is in time."""

    slow: bool
    silent: bool
    words: str


class Watch:
    """`look` now and then; `start` has a thread do it."""

    def __init__(self, canary: Canary, clock: Clock, metrics: Metrics) -> None:
        self._canary = canary
        self._clock = clock
        self._metrics = metrics
        self._said_s: float | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="alerts-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Returns when the thread has ended."""
        self._stop.set()
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_LOOK_S):
            self.look()

    def look(self) -> Verdict:
        """Set the metric, and say it in the log when it begins, every 15 minutes, and when it is
        over."""
        found = verdict(self._canary.state())
        self._metrics.set("tailrace_alerts_late", found.slow, "slow")
        self._metrics.set("tailrace_alerts_late", found.silent, "silent")
        now_s = self._clock.monotonic_s()
        if found.words and (self._said_s is None or now_s - self._said_s >= _REPEAT_S):
            self._said_s = now_s
            _log.warning("alerts are late: %s", found.words)
        elif not found.words and self._said_s is not None:
            self._said_s = None
            _log.info("alerts are in time again")
        return found


def verdict(state: State) -> Verdict:
    """What a state of the canary means."""
    slow = state.p99_s > limits.ALERTS_LATE_S
    silent = state.silent_s > limits.ALERTS_SILENT_S
    parts = []
    if silent:
        parts.append(f"for {state.silent_s:.0f} s no line of the canary has come through")
    if slow:
        parts.append(f"99 of 100 lines of the canary came through only within {state.p99_s:.0f} s")
    if parts and state.stuck:
        parts.append(f"the oldest waits {_WORDS[state.stuck]}, for {state.oldest_s:.0f} s")
    elif silent:
        parts.append("none is written")
    return Verdict(slow, silent, "; ".join(parts))
