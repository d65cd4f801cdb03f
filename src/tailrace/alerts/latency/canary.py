"""Marked lines that are written all the time, and how far each of them has come.

A line that comes through says what a real one would have had to wait. All delays are of the
monotonic clock and of one process, so setting the wall clock changes none of them. A line that
waits counts as late as it is by now: where nothing comes through any more the delay grows, and does
not stay at the last good value.
"""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from tailrace.alerts.latency.report import Delays
from tailrace.alerts.latency.sketch import Sketch
from tailrace.core import limits
from tailrace.core.clock import Clock
from tailrace.core.metrics import Metrics

# From the event on: decoding begins; it is durable; a query finds it; an evaluation that saw it is
# kept, after which a notice may leave.
Stage = Literal["received", "durable", "queryable", "evaluated"]
STAGES: tuple[Stage, ...] = get_args(Stage)
# How far back the rule over the canary looks: an older line can come through no more.
LOOKED_BACK_S = limits.ALERTS_LATE_WINDOW_S
# No digits: nothing that the guard looks for.
_LETTERS = "abcdefghjkmnpqrstuvwxyz"


@dataclass
class Beat:
    """One marked line; `made_s` on the monotonic clock is its event time `made_ns`."""

    number: int
    made_s: float
    made_ns: int
    reached: set[Stage] = field(default_factory=set)


class Canary:
    """Thread-safe, since the watch looks from a thread of its own.

    `run` tells lines of this process from those before it.
    """

    def __init__(self, clock: Clock, metrics: Metrics) -> None:
        self.run = "".join(secrets.choice(_LETTERS) for _ in range(8))
        self._clock = clock
        self._metrics = metrics
        self._lock = threading.Lock()
        self._number = 0
        self._open: dict[int, Beat] = {}
        # When each line came through or was given up, and how late that was.
        self._ended: deque[tuple[float, float]] = deque(maxlen=limits.CANARY_BEATS)
        self._sketches: dict[Stage, Sketch] = {stage: Sketch() for stage in STAGES}
        self._goal: Stage = "evaluated"
        self._through_s = clock.monotonic_s()

    def make(self) -> Beat:
        """A line that happens now. One that waited for too long is given up, and was that late."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            self._number += 1
            beat = Beat(self._number, now_s, self._clock.wall_ns())
            self._open[beat.number] = beat
            for one in list(self._open.values()):
                if len(self._open) > limits.CANARY_BEATS or now_s - one.made_s > LOOKED_BACK_S:
                    self._metrics.add("tailrace_canary_lost_total")
                    self._end(one, now_s)
        return beat

    def waiting(self, behind: Stage | None, before: Stage) -> list[Beat]:
        """Those that reached one stage, and not yet another."""
        with self._lock:
            return [
                one
                for one in self._open.values()
                if (behind is None or behind in one.reached) and before not in one.reached
            ]

    def reached(self, stage: Stage, beats: Iterable[Beat]) -> None:
        """They came so far just now."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            for beat in beats:
                self._reach(stage, beat, now_s)

    def evaluated(self, number: int) -> None:
        """The newest line that an evaluation saw: it, and what was durable before it."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            for beat in list(self._open.values()):
                if beat.number <= number and "durable" in beat.reached:
                    # The query that saw it was quicker than the word of the writer.
                    self._reach("queryable", beat, now_s)
                    self._reach("evaluated", beat, now_s)

    def evaluates(self, here: bool) -> None:
        """Whether rules are evaluated by this server, so that lines have to come so far; else they
        have come through when a query finds them."""
        goal: Stage = "evaluated" if here else "queryable"
        now_s = self._clock.monotonic_s()
        with self._lock:
            if goal == self._goal:
                return
            self._goal = goal
            self._through_s = now_s
            for beat in list(self._open.values()):
                if goal in beat.reached:
                    self._end(beat, now_s)

    def delays(self) -> dict[Stage, Delays]:
        """Of the last hour, by stage, each since the event."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            return {stage: sketch.delays(now_s) for stage, sketch in self._sketches.items()}

    def state(self) -> State:
        """How it stands now."""
        now_s = self._clock.monotonic_s()
        with self._lock:
            waiting = list(self._open.values())
            late = [
                delay_s
                for at_s, delay_s in self._ended
                if at_s > now_s - limits.ALERTS_LATE_WINDOW_S
            ]
            late += [now_s - one.made_s for one in waiting]
            return State(
                p99(late),
                now_s - self._through_s,
                len(waiting),
                now_s - waiting[0].made_s if waiting else 0.0,
                _stuck(waiting),
            )

    def _reach(self, stage: Stage, beat: Beat, now_s: float) -> None:
        if stage in beat.reached or beat.number not in self._open:
            return
        beat.reached.add(stage)
        late_s = now_s - beat.made_s
        self._sketches[stage].add(late_s, now_s)
        self._metrics.observe("tailrace_canary_seconds", late_s, stage)
        if stage == self._goal:
            self._through_s = now_s
            self._end(beat, now_s)

    def _end(self, beat: Beat, now_s: float) -> None:
        del self._open[beat.number]
        self._ended.append((now_s, now_s - beat.made_s))


@dataclass(frozen=True)
class State:
    """`p99_s`: how late 99 of 100 lines of the last 15 minutes were, with those that wait.
    `silent_s`: since one came through. `waiting` lines wait, the oldest one for `oldest_s`, to
    reach the stage `stuck`."""

    p99_s: float
    silent_s: float
    waiting: int
    oldest_s: float
    stuck: Stage | None


def _stuck(waiting: Sequence[Beat]) -> Stage | None:
    return next((s for one in waiting[:1] for s in STAGES if s not in one.reached), None)


def p99(values: Sequence[float]) -> float:
    """At least as large as 99 of 100; the largest of fewer; 0 of none."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * 99 // 100) - 1)] if ordered else 0.0
