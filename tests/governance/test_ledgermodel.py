"""Random deliveries, losses, announcements, looks and restarts, against a list of what is gone."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from tests.examples import examples

from tailrace.core.clock import ManualClock
from tailrace.core.fleet import Announcement, Settled
from tailrace.core.ledger import Range, Span, ranges
from tailrace.core.metrics import Metrics
from tailrace.governance.control import Control
from tailrace.governance.fleet import Fleet
from tailrace.governance.ledger.ledger import Ledger

MEMORY = Path("/dev/shm")


class Seen:
    """A Witness of what it was told."""

    def __init__(self) -> None:
        self.numbers: set[int] = set()

    async def known(self, spans: Sequence[Span]) -> list[list[Range]]:
        return [
            ranges(n for n in self.numbers if span.first_seq <= n <= span.last_seq)
            for span in spans
        ]


class Model(RuleBasedStateMachine):
    """One agent, which numbers frames from 1 on, and a queue before two witnesses."""

    def __init__(self) -> None:
        super().__init__()
        self._temporary = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self.runner = asyncio.Runner()
        self.control = Control(Path(self._temporary.name))
        self.runner.run(self.control.open())
        self.clock, self.metrics = ManualClock(), Metrics()
        self.witnesses = Seen(), Seen()
        self.queue: list[tuple[int, int]] = []  # number, and which witness will see it
        self.handling = True
        self.next_seq = self.from_seq = 1
        self.waiting: set[int] = set()
        self.gone: set[int] = set()
        self.late: set[int] = set()
        self.former: set[int] = set()  # missing when the agent went elsewhere
        self.claimed = 0
        self.meanwhile = False
        self.begin()
        # After the ledger: its epoch begins under this server.
        self.epoch = self.clock.wall_ns() + 1
        self.announce()

    def begin(self) -> None:
        async def open_() -> Ledger:
            fleet = Fleet(self.control, self.clock, self.metrics)
            await fleet.open()
            ledger = Ledger(
                fleet, self.control, self.witnesses, self.passed, self.clock, self.metrics
            )
            await ledger.open()
            return ledger

        self.ledger = self.runner.run(open_())

    def teardown(self) -> None:
        self.runner.run(self.control.close())
        self.runner.close()
        self._temporary.cleanup()

    async def passed(self) -> bool:
        """What is in the queue is seen; then more is delivered, and said, before this returns."""
        if self.handling:
            for number, place in self.queue:
                self.witnesses[place].numbers.add(number)
            self.queue = []
        if self.meanwhile:
            self.waiting.add(self.next_seq)
            self.next_seq += 1
            self.put(self.waiting, 0)
            await self.said()
        return self.handling

    def put(self, numbers: set[int], place: int) -> None:
        self.queue += [(number, place) for number in sorted(numbers)]
        self.waiting = self.waiting - numbers

    async def said(self) -> None:
        before = min(self.waiting, default=self.next_seq)
        settled = Settled("agent-a", self.epoch, self.from_seq, before, self.next_seq)
        told = Announcement(
            source="agent-a", version="1", host="h", pid=1, started_ns=1, interval_s=15.0,
            settled=[settled],
        )  # fmt: skip
        await self.ledger.announce("shop", told)
        self.claimed = max(self.claimed, before)

    @rule(frames=st.integers(1, 9))
    def number(self, frames: int) -> None:
        self.waiting |= set(range(self.next_seq, self.next_seq + frames))
        self.next_seq += frames

    @rule(data=st.data(), place=st.integers(0, 1))
    def deliver(self, data: st.DataObject, place: int) -> None:
        if self.waiting:
            self.put(data.draw(st.sets(st.sampled_from(sorted(self.waiting)), max_size=5)), place)

    @rule(data=st.data())
    def lose_what_was_acknowledged(self, data: st.DataObject) -> None:
        if self.waiting:
            gone = data.draw(st.sets(st.sampled_from(sorted(self.waiting)), max_size=3))
            self.gone |= gone
            self.waiting -= gone

    @rule(data=st.data())
    def a_loss_is_said_late(self, data: st.DataObject) -> None:
        if self.gone:
            found = data.draw(st.sets(st.sampled_from(sorted(self.gone)), max_size=3))
            self.gone -= found
            self.late |= found
            self.witnesses[1].numbers |= found

    @rule()
    def announce(self) -> None:
        self.runner.run(self.said())

    @rule(handling=st.booleans(), meanwhile=st.booleans())
    def look(self, handling: bool, meanwhile: bool) -> None:
        self.handling, self.meanwhile = handling, meanwhile
        self.runner.run(self.ledger.look())
        self.meanwhile = False

    @rule()
    def look_to_the_end(self) -> None:
        self.handling = True
        self.announce()
        self.runner.run(self.ledger.look())
        new = {n for n in self.gone if self.from_seq <= n < self.claimed}
        assert self.missing() == new | (self.former & self.gone)

    @rule()
    def kill(self) -> None:
        self.begin()

    @rule(frames=st.integers(1, 5))
    def go_elsewhere_and_come_back(self, frames: int) -> None:
        """What is delivered there nobody here has to know."""
        self.former = self.missing()
        self.waiting = set()
        self.next_seq += frames
        self.from_seq = self.next_seq
        self.announce()

    @rule(seconds=st.integers(1, 10_000))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @invariant()
    def only_what_is_gone_is_missing(self) -> None:
        assert self.missing() <= self.gone | self.late

    @invariant()
    def it_is_measured(self) -> None:
        assert self.metrics.get("tailrace_ledger_gap_frames") == len(self.missing())

    def missing(self) -> set[int]:
        return {
            number
            for gap in self.ledger.gaps("shop")
            for number in range(gap.first_seq, gap.last_seq + 1)
        }


@pytest.mark.hypothesis
def test_what_is_gone_is_missing_and_nothing_else() -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Model,
        settings=settings(
            max_examples=examples(30),
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
