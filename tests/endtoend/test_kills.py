"""Alerts of the real command, killed while they are pending, fire and are sent."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from conditions import Condition
from receiver import Receiver
from running import Server, Start

START_UP_S = 3.0
AT_WORK_S = 3.0
AWAY_S = 6.0


class Campaign:
    """Conditions over one server. `kills`: when; `during`: what was going on then, how often."""

    def __init__(
        self, start: Start, home: Path, receiver: Receiver, seed: int, fors_s: list[int]
    ) -> None:
        self.chance = random.Random(seed)
        self.receiver = receiver
        self.kills: list[float] = []
        self.during: Counter[str] = Counter()
        self._stop = threading.Event()
        rules = home / "rules.yml"
        rules.write_text("groups: []\n")
        self.server: Server = start(
            TAILRACE_ALERTS__RULES=f"['{rules}']",
            TAILRACE_ALERTS__RECEIVERS=f"[{{name='h', kind='webhook', url='{receiver.url}'}}]",
            TAILRACE_ALERTS__GROUP_WAIT="0s",
            TAILRACE_ALERTS__GROUP_INTERVAL="1s",
        )
        self.conditions = [
            Condition(f"c{n}", for_s, self.server, receiver, random.Random(self.chance.random()))
            for n, for_s in enumerate(fors_s)
        ]
        text = "".join(one.rule for one in self.conditions)
        rules.write_text(f"groups:\n  - name: all\n    interval: 1s\n    rules:{text}")
        self._threads = [
            threading.Thread(target=one.run, args=(self._stop,)) for one in self.conditions
        ]

    def run(self, kills: int) -> None:
        """Kill again and again; in the end all conditions are over."""
        for thread in self._threads:
            thread.start()
        try:
            while len(self.kills) < kills and not any(one.trouble for one in self.conditions):
                self._once()
                if len(self.kills) % 10 < 2:
                    print(self.figures(), flush=True)  # noqa: T201 - progress
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()

    def _once(self) -> None:
        """Three in ten are killed again while they start, and one stays away for a while."""
        time.sleep(self.chance.uniform(0.2, AT_WORK_S))
        self._look()
        self._kill()
        if self.chance.random() < 0.3:
            self.server.launch()
            time.sleep(self.chance.uniform(0.0, START_UP_S))
            self._kill()
        elif self.chance.random() < 0.1:
            time.sleep(self.chance.uniform(0.0, AWAY_S))
        self.server.start()
        self._look()

    def _kill(self) -> None:
        self.during["sending"] += self.receiver.busy
        self.server.kill()
        self.kills.append(time.time())

    def _look(self) -> None:
        answer = self.server.get("/api/v1/alerts")
        assert answer.status == 200, answer
        active = answer.json()["data"]["alerts"]
        for one in self.conditions:
            one.look(active)
        self.during.update({one["state"] for one in active})

    def duplicates(self) -> dict[str, int]:
        """How often notices came again, by key."""
        return {key: len(at) - 1 for key, at in self.receiver.arrived.items() if len(at) > 1}

    def problems(self) -> list[str]:
        found = [problem for one in self.conditions for problem in one.problems()]
        for key, count in self.duplicates().items():
            first_s, *_, last_s = self.receiver.arrived[key]
            kills = sum(first_s <= at_s <= last_s for at_s in self.kills)
            if count > kills:
                found.append(f"{key} came {count} times again, with {kills} kills")
        return found

    def figures(self) -> str:
        whole = [e for one in self.conditions for e in one.episodes if not e.brief]
        brief = [e for one in self.conditions for e in one.episodes if e.brief]
        late_s = sorted(late for one in self.conditions for late in one.late_s()) or [0.0]
        again = sum(self.duplicates().values())
        return (
            f"{len(self.kills)} kills, {dict(self.during)}; {len(whole)} alerts told with their "
            f"ends, {len(brief)} brief; {len(self.receiver.arrived)} notices, {again} came again; "
            f"fired after acknowledged and `for`: median {late_s[len(late_s) // 2]:.1f} s, worst "
            f"{late_s[-1]:.1f} s"
        )


def survive(start: Start, home: Path, kills: int, fors_s: list[int]) -> str:
    receiver = Receiver(random.Random(kills))
    try:
        campaign = Campaign(start, home, receiver, kills, fors_s)
        began = time.monotonic()
        campaign.run(kills)
        problems = campaign.problems()
        assert not problems, "\n".join([*problems, campaign.figures(), campaign.server.log()])
        assert sum(campaign.duplicates().values()) <= len(campaign.kills)
        return f"{campaign.figures()}; {time.monotonic() - began:.0f} s"
    finally:
        receiver.close()


def test_alerts_and_their_ends_outlive_kill_9(start: Start, tmp_path: Path) -> None:
    survive(start, tmp_path, 2, [0, 4])


@pytest.mark.soak
def test_alerts_and_their_ends_outlive_200_kills(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(survive(start, tmp_path, 200, [0, 0, 2, 3, 5, 8]))  # noqa: T201 - the result
