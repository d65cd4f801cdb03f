"""Random histories of frames, failures and crashes, against a list of what was accepted.

Time is simulated and all random choices are hypothesis' own, so a failing history repeats: run
it again with the `@reproduce_failure` line that is printed, or with its seed.
"""

from __future__ import annotations

import asyncio
import errno

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.examples import examples

from tailrace.core.contracts import HOT_LANES, Position
from tailrace.core.errors import Busy
from tailrace.core.frame import Frame, Lane

from .building import LOST, Kind, World, expected_bodies, frame
from .fakes import OPERATIONS, Moment

# Reads are left out: what they cannot give twice is damage, which tests/queue is about.
DISK_FAULTS = [
    ("write", errno.ENOSPC),
    ("fdatasync", errno.EIO),
    ("replace", errno.EIO),
    ("fsync_dir", errno.EIO),
    ("create", errno.ENOSPC),
]


MOVED = {Lane.BOTH: Lane.BULK, Lane.BULK: Lane.BOTH, Lane.HOT: Lane.HOT}


def _moved(frame: Frame) -> Frame:
    lane = MOVED[frame.header.lane]
    return Frame(msgspec.structs.replace(frame.header, lane=lane), frame.payload)


class FramesAgainstAList(RuleBasedStateMachine):
    """`kinds` is the model: what was sent. What is durable in the queue counts as accepted."""

    @initialize(seed=st.integers(0, 1 << 16))
    def start(self, seed: int) -> None:
        self.world = World(seed)
        # See test_writer: a dead letter that cannot be written ends the writer.
        self.world.buries_in_the_end = True
        self.sent: list[Frame] = []
        self.kinds: dict[int, Kind] = {}
        self.acked: set[int] = set()
        self.bulk_is_recorded = True
        self.world.run(self.world.start())

    @rule(
        lanes=st.lists(st.sampled_from(Lane), min_size=1, max_size=3),
        rows=st.integers(1, 3),
        kind=st.sampled_from(Kind.__args__),
    )
    def send(self, lanes: list[Lane], rows: int, kind: Kind) -> None:
        frames = []
        for lane in lanes:
            # See test_archiver: and test_writer: frames that hold the writer or the archive up.
            odd = kind in ("long", "refused") or (
                kind not in ("records", "lines", "samples", "spans") and lane is Lane.BULK
            )
            seq = len(self.kinds)
            self.kinds[seq] = "records" if odd else kind
            frames.append(frame(seq, lane, rows, self.kinds[seq]))
        self.sent += frames
        self._accept(frames)

    @precondition(lambda self: self.sent)
    @rule(picks=st.lists(st.integers(0, 1 << 16), min_size=1, max_size=3), moved=st.booleans())
    def send_again(self, picks: list[int], moved: bool) -> None:
        """`moved`: within its limit now, or no more, so that it travels other lanes."""
        frames = [self.sent[pick % len(self.sent)] for pick in picks]
        frames = [_moved(frame) if moved else frame for frame in frames]
        # See test_archiver: an archived frame whose record was not written is archived again.
        if self.bulk_is_recorded or not any(f.header.lane is Lane.BULK for f in frames):
            self._accept(frames)

    def _accept(self, frames: list[Frame]) -> None:
        try:
            self.world.run(self.world.queue.accept(frames))
        except Busy:
            return
        self.acked.update(f.header.seq for f in frames)

    @rule(operation=st.sampled_from(OPERATIONS), moment=st.sampled_from(Moment.__args__))
    def break_the_engine(self, operation: str, moment: Moment) -> None:
        self.bulk_is_recorded &= operation != "remember"
        self.world.faults.plan(operation, moment)

    @rule(fault=st.sampled_from(DISK_FAULTS))
    def break_the_disk(self, fault: tuple[str, int]) -> None:
        self.world.files.fail(*fault)

    @rule(turns=st.integers(1, 60))
    def go_on(self, turns: int) -> None:
        """A few turns of the loop: the next rule finds both readers between two awaits."""
        self.world.run(self._turns(turns))

    @rule(seconds=st.floats(0.01, 8))
    def wait(self, seconds: float) -> None:
        self.world.run(asyncio.sleep(seconds))

    @rule(power=st.booleans(), turns=st.integers(0, 60))
    def crash(self, power: bool, turns: int) -> None:
        self.bulk_is_recorded = False
        self.world.run(self._turns(turns))
        self.world.run(self.world.crash(power))

    async def _turns(self, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)

    @rule()
    def drain(self) -> None:
        self._drained()

    @invariant()
    def what_is_committed_is_stored(self) -> None:
        self.world.check_alive()
        accepted = self.world.run(self.world.accepted())
        newest = {stored.header.seq: position for stored, position in accepted}
        for stored, position in accepted:
            seq, lane = stored.header.seq, stored.header.lane
            if self.kinds[seq] in LOST:  # sent again it is tried again, and seen for a moment
                position = newest[seq]
            if lane is not Lane.BULK and position <= self.world.reader.committed:
                self._check(seq, self.world.hot.bodies(stored.header.key), stored)
            if lane is not Lane.HOT and position <= self.world.bulk_reader.committed:
                self._check(seq, self.world.archive.bodies(stored.header.key), stored)
        self._what_became_of_each_is_recorded(accepted)

    def _what_became_of_each_is_recorded(self, accepted: list[tuple[Frame, Position]]) -> None:
        """Every place of the queue that a reader is past, and of a frame only one as stored."""
        lanes = ((self.world.hot, HOT_LANES), (self.world.bulk, frozenset({Lane.BULK})))
        readers = (self.world.reader, self.world.bulk_reader)
        for (table, mine), reader in zip(lanes, readers, strict=True):
            stored: list[int] = []
            for sent, position in accepted:
                if sent.header.lane not in mine or position > reader.committed:
                    continue
                seq, how = table.handled[position]
                assert seq == sent.header.seq
                assert (how == "dead") <= (self.kinds[seq] in LOST)
                stored += [seq] if how == "stored" else []
            assert len(stored) == len(set(stored))

    def _check(self, seq: int, found: list[str], sent: Frame) -> None:
        assert found == expected_bodies(seq, sent.header.rows, self.kinds[seq])
        if reason := LOST.get(self.kinds[seq]):
            assert (seq, reason) in self.world.buried()

    def _drained(self) -> None:
        self.world.faults.planned.clear()
        self.world.files.faults.clear()
        self.world.run(self.world.drained())
        self.what_is_committed_is_stored()
        accepted = {f.header.seq for f, _ in self.world.run(self.world.accepted())}
        assert self.acked <= accepted
        assert {row.key[3] for row in self.world.hot.rows} <= accepted
        assert not self.world.bulk.rows

    def teardown(self) -> None:
        if hasattr(self, "world"):
            try:
                self._drained()
            finally:
                self.world.run(self.world.stop())
                self.world.runner.close()


TestFramesAgainstAList = FramesAgainstAList.TestCase
TestFramesAgainstAList.settings = settings(
    max_examples=examples(30), stateful_step_count=40, deadline=None, print_blob=True
)
