"""The laws of a Feeder, and of a Finite one. All are held to them; add one to `FEEDERS`."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from feeding import Drain

from tailrace.agent.feeds.command import Command
from tailrace.agent.feeds.intake import Batch, Feeder, Finite, Intake
from tailrace.agent.feeds.otlp import Otlp
from tailrace.agent.feeds.pipes import Stdin
from tailrace.agent.feeds.scheduled import Fetched, Scheduled
from tailrace.agent.feeds.syslog import Syslog
from tailrace.agent.inputs import CommandInput, OtlpInput, RedisInput, StdinInput, SyslogInput
from tailrace.agent.settings import AgentSettings

LOCAL = "127.0.0.1:0"


def wake() -> None: ...


def scheduled() -> Feeder:
    def fetch() -> Fetched:
        return Fetched([Batch(b"a\n", 1)])

    return Scheduled("x", Intake(RedisInput(), "x"), 0.01, fetch, AgentSettings([], "", []))


def command(*words: str) -> Feeder:
    return Command(CommandInput(command=list(words)), "x", wake)


FEEDERS: dict[str, Callable[[], Feeder]] = {
    "command": lambda: command("cat", "/dev/zero"),
    "otlp": lambda: Otlp(OtlpInput(listen=LOCAL), "x", wake),
    "scheduled": scheduled,
    "stdin": lambda: Stdin(StdinInput(), wake),
    "syslog": lambda: Syslog(SyslogInput(udp=LOCAL, tcp=LOCAL), "x", wake),
}
FINITE = {
    "command": lambda: command(sys.executable, "-c", "print('a'); print('b')"),
    "stdin": FEEDERS["stdin"],
}


@pytest.fixture(params=FEEDERS)
def feeder(request: pytest.FixtureRequest) -> Iterator[Feeder]:
    found = FEEDERS[request.param]()
    yield found
    found.intake.close()
    found.stop()


def test_its_threads_begin_at_the_start_and_are_gone_when_it_has_stopped(feeder: Feeder) -> None:
    before = set(threading.enumerate())
    feeder.start()
    feeder.stop()
    assert set(threading.enumerate()) <= before


def test_it_may_be_stopped_again(feeder: Feeder) -> None:
    feeder.start()
    feeder.stop()
    feeder.stop()


@pytest.mark.parametrize("name", FINITE)
def test_when_it_has_ended_all_of_it_is_in_the_intake(name: str) -> None:
    found = FINITE[name]()
    assert isinstance(found, Finite)
    found.start()
    assert found.ended.wait(10)
    drain = Drain(found.intake)
    drain.step()
    assert drain.rows == ([b"a", b"b"] if name == "command" else [])
    found.stop()
