"""Random appends, reads, drops and kills, against a list that knows what must come out."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from spooled import SOURCE, entry
from tests.examples import examples

from tailrace.agent.delivery.entries import Entry, lane_of
from tailrace.agent.delivery.losses import Losses
from tailrace.agent.delivery.spool import Bounds, Spool
from tailrace.core.clock import ManualClock
from tailrace.core.frame import Lane
from tailrace.core.metrics import Metrics

MEMORY = Path("/dev/shm")
LIMIT_BYTES = 20_000
LANES = (Lane.HOT, Lane.BULK)
PIECES = [
    (Lane.BOTH,),
    (Lane.HOT,),
    (Lane.BULK,),
    (Lane.HOT, Lane.BULK),
    (Lane.HOT, Lane.HOT, Lane.BULK),
]


class Model(RuleBasedStateMachine):
    bounds = Bounds(LIMIT_BYTES)

    def __init__(self) -> None:
        super().__init__()
        self._temporary = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self.home = Path(self._temporary.name)
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.kept: list[Entry] = []  # appended, in order
        self.delivered: dict[Lane, list[int]] = {lane: [] for lane in LANES}
        self.in_flight: dict[Lane, list[Entry]] = {lane: [] for lane in LANES}
        self.forgotten: set[int] = set()
        self.marks: list[int] = []
        self.saved = (1, 1, 1)  # covered, acked, acked_bulk
        self.open()

    def open(self) -> None:
        self.losses = Losses(self.home, self.metrics)
        spool = Spool(self.home / "spool", self.bounds, self.metrics, self.losses, self.clock)
        covered, acked, acked_bulk = self.saved
        self.marks = []
        whole = spool.recover(
            covered, acked, lambda note: self.marks.append(note.entry), acked_bulk, SOURCE
        )
        assert whole
        assert self.marks == [e.note.entry for e in self.kept if e.note.entry >= covered]
        spool.numbered(SOURCE, 5, spool.next_entry)
        self.spool = spool

    def teardown(self) -> None:
        while any(self.step(lane) for lane in LANES):
            pass
        assert self.spool.settled() == (self.spool.next_entry, self.spool.next_entry)
        dropped = self.dropped()
        for lane in LANES:
            wanted = [e.note.entry for e in self.kept if lane_of(e.note) is lane]
            missing = set(wanted) - set(self.delivered[lane])
            assert missing == (dropped if lane is Lane.BULK else set())
        rows = sum(loss.rows for loss in self.losses.pending())
        assert len(dropped) <= rows <= len(dropped | self.forgotten)
        assert not dropped or self.bounds.full == "drop_bulk"
        self.save()
        assert len(list((self.home / "spool").glob("*.spool"))) <= 1
        self.spool.close()
        self._temporary.cleanup()

    def dropped(self) -> set[int]:
        """Of the bulk lane, what never came though everything was read."""
        bulk = {e.note.entry for e in self.kept if lane_of(e.note) is Lane.BULK}
        return bulk - set(self.delivered[Lane.BULK])

    def step(self, lane: Lane) -> bool:
        self.deliver(lane)
        self.read(lane, 5_000)
        return bool(self.in_flight[lane])

    @precondition(lambda self: self.spool.has_room())
    @rule(
        pieces=st.lists(st.sampled_from(PIECES), min_size=1, max_size=4),
        size=st.integers(20, 1_500),
        saved=st.booleans(),
    )
    def append(self, pieces: list[tuple[Lane, ...]], size: int, saved: bool) -> None:
        for lanes in pieces:
            self.append_piece(lanes, size)
        if saved:
            self.save()

    def append_piece(self, lanes: tuple[Lane, ...], size: int) -> None:
        first = self.spool.next_entry
        last = first + len(lanes) - 1
        now_ns = self.clock.wall_ns()
        piece = [
            entry(n, lane=lane, more=n < last, read_ns=now_ns, size=size)
            for n, lane in enumerate(lanes, first)
        ]
        self.spool.append(piece)
        self.kept += piece

    @rule(lane=st.sampled_from(LANES), size=st.integers(1, 8_000))
    def read(self, lane: Lane, size: int) -> None:
        if self.in_flight[lane]:
            return
        found = self.spool.read(size, 5, lane)
        bulk_lost = self.bounds.full == "drop_bulk" and lane is Lane.BULK
        known = {e.note.entry: e for e in self.kept}
        for one in found:
            assert lane_of(one.note) is lane
            assert one.frame == known[one.note.entry].frame
        numbers = [one.note.entry for one in found]
        assert numbers == sorted(numbers)
        done = max(self.delivered[lane], default=0)
        fresh = [e.note.entry for e in self.kept if lane_of(e.note) is lane]
        gone = self.losses.dropped(SOURCE) if lane is Lane.BULK else 0
        assert all(number >= gone for number in numbers)
        if numbers and numbers[0] > done and not bulk_lost:
            fresh = [n for n in fresh if n > done]
            assert numbers == fresh[: len(numbers)]
        if not numbers and not bulk_lost:
            assert not [n for n in fresh if n > done]
        self.in_flight[lane] = found

    @rule(lane=st.sampled_from(LANES))
    def deliver(self, lane: Lane) -> None:
        if found := self.in_flight[lane]:
            self.delivered[lane] += [one.note.entry for one in found]
            self.spool.ack(found[-1].note.entry, lane)
            self.in_flight[lane] = []

    @rule(lane=st.sampled_from(LANES))
    def give_back(self, lane: Lane) -> None:
        self.spool.rewind(lane)
        self.in_flight[lane] = []

    @rule()
    def save(self) -> None:
        self.saved = (self.spool.next_entry, self.spool.acked, self.spool.acked_bulk)
        self.spool.release(self.saved[0])

    @rule(seconds=st.integers(1, 4_000))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def kill(self) -> None:
        self.spool.close()
        # Delivered, but whoever starts again does not know that: it may come again, or be lost.
        self.forgotten |= {n for n in self.delivered[Lane.BULK] if n >= self.saved[2]}
        self.in_flight = {lane: [] for lane in LANES}
        self.open()

    @rule()
    def kill_within_a_drop(self) -> None:
        """What is recorded as lost and still there must not come out."""

        def replace(self: Path, target: Path) -> Path:
            if self.suffix == ".rewrite":
                raise OSError("killed")
            return replacing(self, target)

        replacing = Path.replace
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "replace", replace)
            self.save()
        self.kill()

    @invariant()
    def it_keeps_to_its_bound(self) -> None:
        assert self.spool.size_bytes < LIMIT_BYTES + 12 * 2_000
        on_disk = sum(p.stat().st_size for p in (self.home / "spool").glob("*.spool"))
        assert on_disk == self.spool.size_bytes

    @invariant()
    def what_is_settled_was_acknowledged_or_is_a_loss(self) -> None:
        settled = self.spool.settled()
        assert settled is not None
        before, following = settled
        assert following == self.spool.next_entry
        done = {number for lane in LANES for number in self.delivered[lane]}
        for loss in self.losses.pending():
            done |= set(range(loss.first_seq, loss.last_seq + 1))
        assert {e.note.seq for e in self.kept if e.note.seq < before} <= done

    @invariant()
    def what_is_lost_is_counted(self) -> None:
        rows = sum(
            self.metrics.get("tailrace_agent_dropped_total", kind)
            for kind in ("spool_full", "spool_age")
        )
        assert rows == sum(loss.rows for loss in self.losses.pending())


class DroppingModel(Model):
    bounds = Bounds(LIMIT_BYTES, 3_600.0, "drop_bulk")


class AgingModel(Model):
    bounds = Bounds(LIMIT_BYTES, 3_600.0)


@pytest.mark.hypothesis
@pytest.mark.parametrize("model", [Model, DroppingModel, AgingModel])
def test_what_went_in_comes_out_or_is_a_loss(model: type[Model]) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        model,
        settings=settings(
            max_examples=examples(20),
            stateful_step_count=60,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
