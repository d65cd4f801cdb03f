"""All rotations at random under load, with kill -9 and a gateway that does whatever it likes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from commanding import COMMAND
from fakes import DRIP, DROP, ENDLESS, NONSENSE, STALL, TAKE_AND_DROP, FakeGateway
from torture import App, Arrivals, Torturer, numbers_of, ranges

from tailrace.core.frame import Frame, Lane

RATE = 20_000
# A seed of one's own, to do again what failed; the order of events depends on the machine too.
SEED = os.environ.get("TORTURE_SEED", "")
SOAK = [pytest.param(seed, 60.0, marks=pytest.mark.soak) for seed in (11, 12, 13)]
CAMPAIGNS = [(int(SEED), 30.0)] if SEED else [(5, 6.0), *SOAK]
CONFIG = """[agent]
directory = "{home}/state"
gateways = ["{gateway}"]
poll_interval = "50ms"
flush_interval = "20ms"
announce = "0s"

[[agent.inputs]]
paths = ["{home}/logs/a/*.log*"]

[[agent.inputs]]
paths = ["{home}/logs/b/**/*.log"]

[[agent.inputs]]
paths = ["{home}/logs/c/*.log"]
multiline = "start"
multiline_start = "^> "

[[agent.inputs]]
paths = ["{home}/logs/d/*.log*"]
sample = 0.05
"""


class Moods:
    """What a gateway does with a body; sometimes it is not there at all."""

    def __init__(self, gateway: FakeGateway, arrivals: Arrivals, seed: int) -> None:
        self._gateway = gateway
        self._arrivals = arrivals
        self._chance = random.Random(seed)
        self.calm = False
        self.done: Counter[object] = Counter()

    def __call__(self, found: list[Frame]) -> int:
        bad = (503, 500, 429, DROP, TAKE_AND_DROP, STALL, NONSENSE, ENDLESS, DRIP)
        mood = 200
        if not self.calm and self._chance.random() < 0.3:
            mood = self._chance.choice(bad)
            self._gateway.patience_s = self._chance.uniform(0.0, 1.5)
            self._gateway.retry_after = self._chance.choice(("", "0", "1", "soon"))
        self.done[mood] += 1
        if mood in (200, TAKE_AND_DROP, NONSENSE, ENDLESS, DRIP):
            self._arrivals.add(found)
        return mood


class Command:
    """`tailrace agent`, killed and started again."""

    def __init__(self, config: Path, chance: random.Random) -> None:
        self._config = config
        self._chance = chance
        self._errors = config.with_name("agent.err").open("ab")
        self.done: Counter[str] = Counter()
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [str(COMMAND), "agent", "--config", str(self._config)], stderr=self._errors
        )

    def trouble(self) -> None:
        """Killed, and started at once or after a while; or only stopped for a while."""
        how = self._chance.choice(("kill", "kill", "kill and wait", "pause", "end"))
        self.done[how] += 1
        if how == "pause":
            self._process.send_signal(signal.SIGSTOP)
            time.sleep(self._chance.uniform(0.1, 3.0))
            self._process.send_signal(signal.SIGCONT)
            return
        if how == "end":
            self._process.terminate()
            self._process.wait(20.0)
        self.kill()
        if how == "kill and wait":
            time.sleep(self._chance.uniform(0.5, 4.0))
        self._start()

    def end(self) -> int:
        self._process.terminate()
        return self._process.wait(20.0)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self.kill()
        self._errors.close()


def applications(logs: Path, chance: random.Random) -> list[App]:
    return [
        App(logs / "a" / "a1.log", chance),
        App(logs / "a" / "a2.log", chance, shifts=True),
        App(logs / "b" / "deep" / "b1.log", chance),
        App(logs / "b" / "b2.log", chance, shifts=True),
        App(logs / "c" / "c1.log", chance, events=True),
        App(logs / "d" / "d1.log", chance),
    ]


@pytest.mark.parametrize(("seed", "seconds"), CAMPAIGNS)
def test_every_line_arrives_once_whatever_happens(
    tmp_path: Path, gateway: FakeGateway, seed: int, seconds: float
) -> None:
    chance = random.Random(seed)
    arrivals = Arrivals()
    moods = Moods(gateway, arrivals, seed)
    gateway.judge = moods
    apps = applications(tmp_path / "logs", random.Random(seed))
    config = tmp_path / "agent.toml"
    config.write_text(CONFIG.format(home=tmp_path, gateway=gateway.url))
    torturer = Torturer(apps, arrivals, random.Random(seed), RATE, turns=2.0)
    command = Command(config, chance)
    try:
        for app in apps:
            app.write(1)  # a name that was never seen cannot be followed
        assert gateway.wait(lambda: all(arrivals.below(app.name) for app in apps), 30.0)
        began_s = time.monotonic()
        torturer.start()
        while (left_s := began_s + seconds - time.monotonic()) > 0:
            time.sleep(min(left_s, chance.uniform(0.3, 3.0)))
            if chance.random() < 0.2:
                gateway.leave()
                time.sleep(chance.uniform(0.1, 1.0))
                gateway.come_back()
            command.trouble()
        torturer.done.set()
        torturer.join()
        moods.calm = True
        healed_s = time.monotonic()
        whole = gateway.wait(lambda: all(arrivals.below(a.name) == a.next for a in apps), 90.0)
        report(seed, apps, moods, command, seconds, time.monotonic() - healed_s)
        assert torturer.failed is None
        for app in () if whole else apps:
            print(f"missing of {app.name}:", app.story(arrivals.missing(app.name, app.next)))  # noqa: T201 - the figures of the campaign
        assert whole
        assert command.end() == 0
    finally:
        torturer.done.set()
        command.close()
        if torturer.is_alive():
            torturer.join()
    check(gateway, apps)


def report(
    seed: int, apps: list[App], moods: Moods, command: Command, seconds: float, healed_s: float
) -> None:
    rotations: Counter[str] = Counter()
    for app in apps:
        rotations += app.done
    print(  # noqa: T201 - the figures of the campaign
        f"\nseed {seed}: {sum(app.next for app in apps)} lines in {seconds:.0f} s, healed in"
        f" {healed_s:.1f} s\n  agent: {dict(command.done)}\n  rotations: {dict(rotations)}"
        f"\n  gateway: {dict(moods.done)}"
    )


def check(gateway: FakeGateway, apps: list[App]) -> None:
    """Every line is once in what is complete, at most once in what is sampled; no number is
    missing."""
    complete: dict[str, Counter[int]] = {app.name: Counter() for app in apps}
    hot: dict[str, Counter[int]] = {app.name: Counter() for app in apps}
    for frame in gateway.taken.values():
        into = hot if frame.header.lane is Lane.HOT else complete
        for name, numbers in numbers_of(frame).items():
            into[name].update(numbers)
    for app in apps:
        twice = sorted(n for n, count in complete[app.name].items() if count > 1)
        assert not twice, f"twice of {app.name}: {app.story(ranges(twice))}"
        assert complete[app.name].keys() == set(range(app.next))
        assert all(count == 1 for count in hot[app.name].values())
    assert hot["d1"]
    assert gateway.gaps() == 0
