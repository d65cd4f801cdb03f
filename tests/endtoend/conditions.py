"""Conditions that come and go, each with an alert, and what was to be told of them.

A condition is the last number that a service logged: it holds while that is 1, also while nothing
runs. Whatever is logged is logged again until it is acknowledged.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from receiver import Receiver, seconds
from running import Server

# For one alert to be told, with kills on the way.
TOLD_S = 180.0
POLL_S = 0.05
# From a row to the slot that sees it, of slots a second apart.
SLOT_S = 1.0
# A row that was acknowledged just before a kill is stored this long after the restart.
REPLAY_S = 10.0


class Moment(NamedTuple):
    """When a row was sent first, and when it was acknowledged."""

    first_s: float
    acked_s: float


@dataclass
class Episode:
    """A condition that held once. `brief`: it was over before anybody was told."""

    begins: Moment
    brief: bool = False
    ends: Moment | None = None


@dataclass
class Condition:
    """`name` is its service and its alert. `seen`: when the API showed the alert, and since when it
    was active then."""

    name: str
    for_s: int
    server: Server
    receiver: Receiver
    chance: random.Random
    episodes: list[Episode] = field(default_factory=list)
    seen: list[tuple[float, float]] = field(default_factory=list)
    trouble: str = ""

    @property
    def rule(self) -> str:
        return f"""
      - alert: {self.name}
        expr: |
          last_over_time({{service_name="{self.name}"}} | logfmt | unwrap v [1h])
            by (service_name) == 1
        for: {self.for_s}s
"""

    def run(self, stop: threading.Event) -> None:
        """Come and go until `stop`."""
        while not stop.is_set() and not self.trouble:
            one = Episode(self._logged(b"v=1"), brief=self.chance.random() < 0.25)
            self.episodes.append(one)
            if one.brief:
                time.sleep(self.chance.uniform(0.0, self.for_s))
            else:
                self._await(lambda one=one: self._begun_since(one), "its beginning was told")
                time.sleep(self.chance.uniform(0.0, 3.0))
            one.ends = self._logged(b"v=0")
            self._await(lambda one=one: self._evaluated(one.ends.acked_s), "its end was evaluated")
            self._await(self._all_ended, "its end was told")
            time.sleep(self.chance.uniform(0.0, 2.0))

    def _logged(self, line: bytes) -> Moment:
        first_s = time.time()
        while self.server.post(f"/ingest/lines?service={self.name}", line).status != 200:
            time.sleep(POLL_S)
        return Moment(first_s, time.time())

    def _begun_since(self, one: Episode) -> bool:
        return any(at_s >= one.begins.first_s - SLOT_S for at_s in self.receiver.begun(self.name))

    def _all_ended(self) -> bool:
        """An end that was told in time takes the place of the beginning."""
        return self.receiver.begun(self.name).keys() <= self.receiver.ended(self.name).keys()

    def _evaluated(self, since_s: float) -> bool:
        """Whether a slot was that is later than what was logged then."""
        answer = self.server.get(f"/api/v1/rules?rule_name[]={self.name}")
        if answer.status != 200 or not (groups := answer.json()["data"]["groups"]):
            return False
        return seconds(groups[0]["rules"][0]["lastEvaluation"]) >= since_s + SLOT_S

    def _await(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + TOLD_S
        while not self.trouble and not holds():
            if time.monotonic() > deadline:
                self.trouble = f"{self.name}: not so in {TOLD_S:.0f} s: {what}"
            time.sleep(POLL_S)

    def look(self, active: Iterable[dict[str, object]]) -> None:
        """What the API shows: see /api/v1/alerts."""
        now_s = time.time()
        for one in active:
            labels = one["labels"]
            assert isinstance(labels, dict)
            if labels["alertname"] == self.name:
                self.seen.append((now_s, seconds(str(one["activeAt"]))))

    def problems(self) -> Iterator[str]:
        """What was promised and is not so."""
        if self.trouble:
            yield self.trouble
        begun, ended = self.receiver.begun(self.name), self.receiver.ended(self.name)
        for starts_s, notices in (*begun.items(), *ended.items()):
            if len(notices) > 1:
                yield f"{self.name}: told in {len(notices)} notices what was so at {starts_s}"
        for starts_s in begun.keys() - ended.keys():
            yield f"{self.name}: the end was not told of what fired at {starts_s}"
        for episode in self.episodes:
            if not episode.brief:
                yield from self._problems(episode, list(begun))

    def late_s(self) -> list[float]:
        """By how much alerts fired later than `for` after their rows were acknowledged."""
        return [
            starts_s - one.begins.acked_s - self.for_s
            for one in self.episodes
            if not one.brief and one.ends
            for starts_s in self._fired(one, self.receiver.begun(self.name))
        ]

    def _fired(self, episode: Episode, begun: Iterable[float]) -> list[float]:
        assert episode.ends
        first_s, last_s = episode.begins.first_s - SLOT_S, episode.ends.acked_s
        return [starts_s for starts_s in begun if first_s <= starts_s <= last_s]

    def _problems(self, episode: Episode, begun: list[float]) -> Iterator[str]:
        fired = self._fired(episode, begun)
        if len(fired) != 1:
            yield f"{self.name}: fired {len(fired)} times in {episode}"
            return
        earliest_s = episode.begins.first_s + self.for_s
        latest_s = episode.begins.acked_s + self.for_s + SLOT_S + REPLAY_S
        if not earliest_s <= fired[0] <= latest_s:
            yield f"{self.name}: fired at {fired[0]} in {episode}"
        assert episode.ends
        for at_s, active_s in self.seen:
            within = episode.begins.first_s <= active_s and at_s < episode.ends.first_s
            if within and active_s + self.for_s != fired[0]:
                yield f"{self.name}: active since {active_s}, and fired at {fired[0]}"
