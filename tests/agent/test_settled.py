"""How far an agent says that its frames are delivered, at starts that change what it may say."""

from __future__ import annotations

from pathlib import Path

import pytest
from spooled import SOURCE, entry

from tailrace.agent.agent import places, recover
from tailrace.agent.checkpoints import Checkpoints, Former, State
from tailrace.agent.delivery.spool import Spool
from tailrace.core.clock import ManualClock
from tailrace.core.frame import Lane
from tailrace.core.metrics import Metrics
from tailrace.ship.gateways import targets

HERE = places(targets(["http://a:1", "http://b:1"]))
ELSEWHERE = places(targets(["http://c:1"]))


class Home:
    """An agent's directory with three frames in the spool, the second of the bulk lane."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = Checkpoints(path)
        self.checkpoints.save(State(SOURCE, 5, gateways=HERE))
        self.start()
        self.spool.append([entry(1), entry(2, lane=Lane.BULK), entry(3)])
        self.spool.close()

    def start(self, gateways: str = HERE, machine: str = "") -> State:
        self.spool = Spool(self.path / "spool", 1 << 20, Metrics())
        return recover(self.checkpoints, self.spool, ManualClock(), machine, gateways)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_what_waits_in_either_lane_is_not_settled(home: Home) -> None:
    assert home.start().from_seq == 1
    assert home.spool.settled() == (1, 4)
    home.spool.read(1 << 20, 99)
    home.spool.ack(3)
    assert home.spool.settled() == (2, 4)
    home.spool.read(1 << 20, 99, Lane.BULK)
    home.spool.ack(2, Lane.BULK)
    assert home.spool.settled() == (4, 4)
    home.spool.append([entry(4)])
    assert home.spool.settled() == (4, 5)


def test_frames_of_before_may_have_gone_to_other_gateways(home: Home) -> None:
    assert home.start(ELSEWHERE).from_seq == 4
    assert home.start(ELSEWHERE).from_seq == 4
    home.spool.append([entry(4)])
    home.spool.close()
    assert home.start(HERE).from_seq == 5


def test_the_order_of_gateways_means_nothing() -> None:
    assert places(targets(["http://b:1", "http://a:1"])) == HERE != ELSEWHERE


def test_while_frames_of_an_older_epoch_wait_nothing_is_said(home: Home) -> None:
    (home.path / "checkpoints").write_bytes(b"torn")
    state = home.start()
    assert (state.epoch > 5, state.next_seq, state.from_seq) == (True, 1, 1)
    assert state.former == Former(SOURCE, 5, 1, 4)
    assert home.spool.settled() is None
    assert home.spool.settled_before(SOURCE, 5, 4) == 1
    home.spool.append([entry(4, state.epoch)])
    home.spool.read(1 << 20, 99)
    home.spool.ack(3)
    assert home.spool.settled() is None
    assert home.spool.settled_before(SOURCE, 5, 4) == 2
    home.spool.read(1 << 20, 99, Lane.BULK)
    home.spool.ack(2, Lane.BULK)
    assert home.spool.settled() == (4, 5)
    assert home.spool.settled_before(SOURCE, 5, 4) == 4
    home.spool.close()
    assert home.start().former == Former(SOURCE, 5, 1, 4)


def test_of_what_is_older_than_the_epoch_before_nothing_is_said(home: Home) -> None:
    (home.path / "checkpoints").write_bytes(b"torn")
    second = home.start()
    home.spool.append([entry(4, second.epoch)])
    home.spool.close()
    (home.path / "checkpoints").write_bytes(b"torn")
    third = home.start()
    assert third.former is not None
    assert (third.former.epoch, third.former.next_seq) == (second.epoch, 5)
    assert home.spool.settled_before(SOURCE, second.epoch, 5) == 0
    home.spool.read(1 << 20, 99)
    home.spool.ack(3)
    home.spool.read(1 << 20, 99, Lane.BULK)
    home.spool.ack(2, Lane.BULK)
    assert home.spool.settled_before(SOURCE, second.epoch, 5) == 4


def test_a_copy_on_another_machine_says_nothing_of_what_it_did_not_number(home: Home) -> None:
    home.start(machine="one")
    state = home.start(machine="two")
    assert (state.source != SOURCE, state.from_seq) == (True, 4)
    assert home.spool.settled() is None
