"""Dead letters by themselves: what is gone stays gone, what is not is there, whatever happens."""

from __future__ import annotations

import errno
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tailrace.core import limits
from tailrace.core.contracts import Position
from tailrace.core.errors import Busy
from tailrace.core.frame import Frame, Header, Lane
from tailrace.queue.dead import DeadLetters, Letter, gone
from tailrace.queue.files import FileSystem
from tailrace.queue.gone import Notes, Why
from tailrace.queue.letter import id_text, in_words, parse_id
from tailrace.queue.segment import HEAD_BYTES

from .building import frame
from .disk import FaultyFileSystem

HERE = Path("/d")
LIMIT = 4000


def opened(files: FileSystem, segment_bytes: int = 700, limit: int = LIMIT) -> DeadLetters:
    found = DeadLetters(files, HERE, segment_bytes, limit)
    found.open()
    return found


def bury(dead: DeadLetters, one: Frame, at_ns: int = 5, reason: str = "unreadable") -> Position:
    return dead.bury(Letter(reason, at_ns, one.header), one.payload)


def remove(dead: DeadLetters, ids: Sequence[Position], why: Why = Why.DROPPED) -> int:
    there = [one for id_ in ids if (one := dead.find(id_)) is not None]
    return dead.remove([gone(one, why, 9) for one in there])


def fill(dead: DeadLetters, size: int) -> list[Position]:
    """Letters until there is no room; their ids."""
    found: list[Position] = []
    with pytest.raises(Busy, match="dead letters would pass 4000 bytes; `tailrace deadletters"):
        while True:
            found.append(bury(dead, frame(len(found), size=size)))
    return found


def seqs(dead: DeadLetters) -> list[int]:
    return [one.seq for one in dead.kept()]


def on_disk(files: FaultyFileSystem) -> int:
    return sum(files.size(path) for path in files.paths(".seg") if path.parent == HERE)


def test_letters_are_known_with_what_they_were_and_read_whole() -> None:
    files = FaultyFileSystem()
    dead = opened(files)
    ids = [bury(dead, frame(seq, size=50), 5 + seq) for seq in range(12)]
    broken = dead.bury(Letter("corrupt", 99, found=Position(3, 64)), b"broken")
    for again in (dead, opened(files)):
        kept = again.kept()
        assert [one.id for one in kept] == [*ids, broken]
        assert [one.buried_ns for one in kept] == [*range(5, 17), 99]
        first, last = kept[0], kept[-1]
        assert (first.tenant, first.source, first.epoch, first.seq) == ("acme", "web-1", 1, 0)
        assert (first.rows, first.bytes, first.lane) == (1, 50, Lane.BOTH)
        assert (last.tenant, last.found, last.whose) == ("", Position(3, 64), None)
        letter, payload = again.read(kept[7])
        assert (letter.header, payload) == (frame(7, size=50).header, frame(7, size=50).payload)
        assert again.read(last)[1] == b"broken"
        assert again.live_bytes == sum(one.stored_bytes for one in kept)


def test_what_is_gone_makes_room_and_its_segments_go() -> None:
    files = FaultyFileSystem()
    dead = opened(files)
    ids = fill(dead, 50)
    assert len(ids) > 10
    assert on_disk(files) == dead.size_bytes <= LIMIT
    assert remove(dead, ids[:-1]) == len(ids) - 1
    assert remove(dead, ids[:-1]) == 0
    assert seqs(dead) == [len(ids) - 1]
    assert on_disk(files) == dead.size_bytes < 1000
    for again in (dead, opened(files)):
        assert seqs(again) == [len(ids) - 1]
        assert again.read(again.kept()[0])[1] == frame(len(ids) - 1, size=50).payload
    assert remove(dead, [ids[-1]]) == 1
    assert (len(dead), dead.size_bytes, on_disk(files)) == (0, HEAD_BYTES, HEAD_BYTES)


def test_the_rest_of_a_segment_that_is_mostly_gone_is_moved_and_keeps_its_ids() -> None:
    files = FaultyFileSystem()
    dead = opened(files, segment_bytes=3000, limit=10_000)
    ids = [bury(dead, frame(seq, size=50)) for seq in range(20)]
    before = on_disk(files)
    left = ids[::4]
    assert remove(dead, [one for one in ids if one not in left]) == 15
    assert on_disk(files) < before / 2
    for again in (dead, opened(files)):
        assert [one.id for one in again.kept()] == left
        assert seqs(again) == [0, 4, 8, 12, 16]
        for one in again.kept():
            assert again.read(one)[1] == frame(one.seq, size=50).payload
    # Those that were moved are gone when they are, too.
    assert remove(dead, left[:2]) == 2
    assert [one.id for one in opened(files).kept()] == left[2:]


def test_room_is_made_of_what_is_gone_before_anything_is_busy() -> None:
    files = FaultyFileSystem()
    dead = opened(files, segment_bytes=2000)
    ids = fill(dead, 60)
    # Less than half of each segment, for which alone nothing is moved.
    less = ids[::3]
    remove(dead, less)
    before = len(dead)
    # A letter that is moved is larger by its id.
    fit = len(less) - 1
    for seq in range(fit):
        bury(dead, frame(100 + seq, size=50))
    assert len(dead) == before + fit
    assert on_disk(files) <= LIMIT


def test_a_frame_that_is_buried_again_takes_the_place_of_its_letter() -> None:
    files = FaultyFileSystem()
    dead = opened(files)
    fill(dead, 50)
    count = len(dead)
    again = bury(dead, frame(3, size=50), 77)  # though there is no room
    assert len(dead) == count
    assert seqs(dead) == [seq for seq in range(count) if seq != 3] + [3]
    assert dead.kept()[-1].id == again
    # In the other lane it is another one, for which there is no room.
    with pytest.raises(Busy):
        bury(dead, frame(3, Lane.BULK, size=50))
    assert seqs(opened(files)) == seqs(dead)


def test_the_same_broken_bytes_are_kept_once() -> None:
    dead = opened(FaultyFileSystem())
    first = dead.bury(Letter("corrupt", 1, found=Position(3, 64)), b"broken")
    assert dead.bury(Letter("corrupt", 2, found=Position(3, 64)), b"broken") == first
    dead.bury(Letter("corrupt", 2, found=Position(3, 64)), b"others")
    dead.bury(Letter("corrupt", 2, found=Position(4, 64)), b"broken")
    assert len(dead) == 3


def test_letters_are_bounded_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DEAD_LETTERS", 3)
    dead = opened(FaultyFileSystem())
    ids = [bury(dead, frame(seq)) for seq in range(3)]
    with pytest.raises(Busy, match="there are 3 dead letters"):
        bury(dead, frame(3))
    bury(dead, frame(2))
    remove(dead, ids[:1])
    bury(dead, frame(3))
    assert seqs(dead) == [1, 2, 3]


def test_a_damaged_letter_is_shown_as_one_and_can_be_dropped() -> None:
    files = FaultyFileSystem()
    dead = opened(files, segment_bytes=10_000)
    ids = [bury(dead, frame(seq, size=50)) for seq in range(5)]
    (path,) = [path for path in files.paths(".seg") if path.parent == HERE]
    files.flip(path, (ids[1].offset + 30) * 8)  # a header
    files.flip(path, (dead.kept()[3].end - 2) * 8)  # a payload
    dead = opened(files, segment_bytes=10_000)
    assert [one.reason for one in dead.kept()] == [
        "unreadable", "damaged", "unreadable", "unreadable", "unreadable"
    ]  # fmt: skip
    for number in (1, 3):
        letter, raw = dead.read(dead.kept()[number])
        assert (letter.reason, letter.header) == ("damaged", None)
        assert b"0000000%d" % number in raw
    assert remove(dead, ids[:3]) == 3
    # What cannot be read is not moved, but it goes once nothing else is there.
    assert seqs(opened(files, segment_bytes=10_000)) == [3, 4]
    assert remove(dead, ids[3:]) == 2
    assert on_disk(files) == HEAD_BYTES


def test_a_segment_that_somebody_deletes_holds_up_nothing() -> None:
    files = FaultyFileSystem()
    dead = opened(files)
    ids = [bury(dead, frame(seq, size=50)) for seq in range(5)]
    found = Letter("corrupt", 1, found=Position(3, 64))
    dead.bury(found, b"broken")
    for path in files.paths(".seg"):
        if path.parent == HERE:
            files.remove(path)
    assert dead.read(dead.kept()[0]) == (Letter("damaged", 5), b"")
    dead.bury(found, b"broken")
    assert remove(dead, ids) == 5


def test_numbers_are_not_given_out_again_while_there_are_notes_of_them() -> None:
    files = FaultyFileSystem()
    dead = opened(files)
    remove(dead, [bury(dead, frame(1))])
    for path in files.paths(".seg"):
        if path.parent == HERE:
            files.remove(path)  # by hand
    dead = opened(files)
    bury(dead, frame(2))
    assert seqs(opened(files)) == [2]


def test_notes_that_are_needed_no_more_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DEAD_LETTERS_KNOWN", 50)
    monkeypatch.setattr("tailrace.queue.gone._FEW", 20)
    files = FaultyFileSystem()
    dead = opened(files)
    kept = bury(dead, frame(0))
    for seq in range(1, 200):
        remove(dead, [bury(dead, frame(seq))], Why.DROPPED if seq % 2 else Why.REPLAYED)
    size = sum(files.size(path) for path in files.paths(".seg") if path.parent != HERE)
    notes = Notes(files, HERE)
    notes.open()
    assert 50 <= len(notes) <= 150
    assert size < 150 * 100
    assert [one.id for one in opened(files).kept()] == [kept]


def test_what_is_gone_and_forgotten_does_not_come_back_with_its_segment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tailrace.queue.gone._FEW", 0)
    for seed in range(5):
        files = FaultyFileSystem(seed)
        dead = opened(files)
        for one in [bury(dead, frame(seq)) for seq in range(10)][:8]:
            remove(dead, [one], Why.REPLAYED)
        files.crash()
        assert seqs(opened(files)) == [8, 9]


def test_ids_and_reasons_are_for_people() -> None:
    assert parse_id(id_text(Position(12, 64))) == Position(12, 64)
    for wrong in ("", "12", "12-", "a-1", "1-2-3", "-1-2", "1" * 13 + "-1"):
        assert parse_id(wrong) is None
    assert in_words("unreadable: json").endswith("can read what its sender announced (json)")
    assert in_words("corrupt").startswith("bytes of the queue that fail their checksum")
    assert in_words("of another version") == "of another version"


class LettersAgainstADict(RuleBasedStateMachine):
    """Of each frame what may be there: a version of its payload, or None for nothing. One that was
    not buried, as far as was said, may be there all the same after a restart."""

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        # Notes are forgotten as soon as they may be.
        self.patched = pytest.MonkeyPatch()
        self.patched.setattr("tailrace.queue.gone._FEW", 0)
        self.patched.setattr(limits, "DEAD_LETTERS_KNOWN", 3)
        self.files = FaultyFileSystem(seed)
        self.dead = opened(self.files)
        self.may_be: dict[int, set[int | None]] = {}
        self.doubtful: dict[int, set[int]] = defaultdict(set)
        self.version = 0

    @rule(seq=st.integers(0, 30), size=st.sampled_from([20, 20, 300]))
    def bury(self, seq: int, size: int) -> None:
        self.version += 1
        payload = f"{self.version:06d}".encode().ljust(size, b"x")
        header = Header("acme", "web-1", 1, seq, 1, size, 0, 0)
        before = self.may_be.get(seq, {None})
        troubled = bool(self.files.faults)
        try:
            self.dead.bury(Letter("unreadable", self.version, header), payload)
            self.may_be[seq] = {self.version} | (before - {None} if troubled else set())
        except Busy:
            self.may_be[seq] = before
            self.doubtful[seq].add(self.version)

    @rule(data=st.data(), why=st.sampled_from(list(Why)))
    def remove(self, data: st.DataObject, why: Why) -> None:
        kept = self.dead.kept()
        if not kept:
            return
        chosen = data.draw(st.lists(st.sampled_from(kept), max_size=8, unique_by=lambda k: k.id))
        # A frame that is there twice after a fault goes whole.
        frames = {one.seq for one in chosen if one.tenant}
        wanted = [one for one in kept if one.seq in frames or one in chosen]
        try:
            self.dead.remove([gone(one, why, 5) for one in wanted])
        except Busy:
            for seq in frames:
                self.may_be[seq].add(None)
        else:
            self.may_be |= {seq: {None} for seq in frames}

    @rule(
        fault=st.sampled_from(
            [
                ("write", errno.ENOSPC), ("write", errno.EIO), ("fdatasync", errno.EIO),
                ("truncate", errno.EIO), ("create", errno.ENOSPC), ("fsync_dir", errno.EIO),
                ("remove", errno.EIO), ("read", errno.EACCES),
            ]
        )
    )  # fmt: skip
    def break_the_disk(self, fault: tuple[str, int]) -> None:
        self.files.fail(*fault)

    @rule(power=st.booleans())
    def restart(self, power: bool) -> None:
        self.files.crash() if power else self.files.kill()
        self.dead = opened(self.files)
        found = self._versions()
        for seq, allowed in self.may_be.items():
            there = found.get(seq, set()) - self.doubtful[seq] or {None}
            assert there <= allowed, f"frame {seq}"
            assert len(there) == 1 or len(allowed) > 1, "once"
        assert found.keys() <= self.may_be.keys()
        assert self.dead.size_bytes == on_disk(self.files)

    def _versions(self) -> dict[int, set[int]]:
        found: dict[int, set[int]] = {}
        for one in self.dead.kept():
            letter, payload = self.dead.read(one)
            # A header without its payload is a write that never finished.
            if letter.header is not None:
                assert letter.header.seq == one.seq
                found.setdefault(one.seq, set()).add(int(payload[:6]))
        return found

    @rule()
    def bounded(self) -> None:
        assert self.dead.size_bytes <= LIMIT + 400

    def teardown(self) -> None:
        if hasattr(self, "dead"):
            self.restart(power=True)
            self.patched.undo()


TestLettersAgainstADict = LettersAgainstADict.TestCase
TestLettersAgainstADict.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
