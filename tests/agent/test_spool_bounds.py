"""What the spool does at its bounds, and what an unfinished piece is worth."""

from __future__ import annotations

from pathlib import Path

import pytest
from spooled import SOURCE, entry

from tailrace.agent.agent import recover
from tailrace.agent.checkpoints import Checkpoints, State
from tailrace.agent.delivery.losses import Losses
from tailrace.agent.delivery.spool import Bounds, Spool
from tailrace.core.clock import ManualClock
from tailrace.core.frame import Lane
from tailrace.core.metrics import Metrics

DAY_S = 86_400.0


class Disk:
    """A spool that may drop bulk, filled with pieces of a hot and a bulk entry."""

    def __init__(self, home: Path, bounds: Bounds) -> None:
        self.home, self.bounds = home, bounds
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.losses = Losses(home, self.metrics)
        self.spool = Spool(home / "spool", bounds, self.metrics, self.losses, self.clock)
        self.spool.recover(1, 1, lambda note: None, 1, SOURCE)

    def fill(self, pieces: int) -> None:
        for _ in range(pieces):
            first, now_ns = self.spool.next_entry, self.clock.wall_ns()
            hot = entry(first, lane=Lane.HOT, more=True, read_ns=now_ns, size=100)
            bulk = entry(first + 1, lane=Lane.BULK, read_ns=now_ns, size=1_000)
            self.spool.append([hot, bulk])

    def read(self, lane: Lane, count: int = 999) -> list[int]:
        return [e.note.entry for e in self.spool.read(1 << 30, count, lane)]

    def release(self) -> None:
        self.spool.release(self.spool.next_entry)

    def dropped(self, reason: str) -> float:
        return self.metrics.get("tailrace_agent_dropped_total", reason)


def test_at_the_bound_of_bytes_bulk_goes_and_hot_stays(tmp_path: Path) -> None:
    disk = Disk(tmp_path, Bounds(20_000, full="drop_bulk"))
    disk.fill(3)
    assert disk.read(Lane.HOT, 2) == [1, 3]  # the reader is in the midst of what is written anew
    disk.spool.ack(1)
    disk.fill(17)
    disk.release()
    assert disk.spool.has_room()
    bulk = disk.read(Lane.BULK)
    assert disk.read(Lane.HOT) == list(range(5, 41, 2))
    assert bulk == list(range(bulk[0], 41, 2))
    assert disk.dropped("spool_full") == 20 - len(bulk)
    (lost,) = disk.losses.pending()
    assert (lost.source, lost.epoch, lost.first_seq, lost.last_seq) == (SOURCE, 5, 2, bulk[0] - 2)
    assert (lost.rows, lost.bytes) == (20 - len(bulk), 10 * (20 - len(bulk)))


def test_without_bulk_it_stops_at_the_bound_like_any_other(tmp_path: Path) -> None:
    disk = Disk(tmp_path, Bounds(3_000, full="drop_bulk"))
    for number in range(1, 9):
        disk.spool.append([entry(number)])
    disk.release()
    assert not disk.spool.has_room()
    assert len(disk.read(Lane.HOT)) == 8
    assert disk.losses.pending() == []


def test_nothing_that_is_being_sent_is_dropped(tmp_path: Path) -> None:
    disk = Disk(tmp_path, Bounds(20_000, full="drop_bulk"))
    disk.fill(20)
    disk.read(Lane.BULK, 1)
    disk.release()
    assert not disk.spool.has_room()
    disk.spool.rewind(Lane.BULK)
    disk.release()
    assert disk.spool.has_room()


def test_what_no_checkpoint_covers_is_not_dropped(tmp_path: Path) -> None:
    disk = Disk(tmp_path, Bounds(20_000, full="drop_bulk"))
    disk.fill(20)
    disk.spool.release(1)
    assert disk.dropped("spool_full") == 0


def test_a_disk_that_is_full_while_dropping_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(tmp_path, Bounds(20_000, full="drop_bulk"))
    disk.fill(20)
    with monkeypatch.context() as patch:

        def full(*_: object) -> int:
            raise OSError(28, "No space left on device")

        patch.setattr("os.writev", full)
        disk.release()
    assert disk.dropped("spool_full") == 0
    assert not list((tmp_path / "spool").glob("*.rewrite"))
    assert disk.read(Lane.BULK) == list(range(2, 41, 2))


def test_delivered_segments_go_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(tmp_path, Bounds(8_000))
    for number in range(1, 13):
        disk.spool.append([entry(number)])
    before = disk.spool.size_bytes

    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    for name in ("os.writev", "os.write", "os.fsync", "os.fdatasync"):
        monkeypatch.setattr(name, full)
    with pytest.raises(OSError, match="No space"):
        disk.spool.append([entry(13)])
    assert disk.read(Lane.HOT) == list(range(1, 13))
    disk.spool.ack(12)
    disk.release()
    assert disk.spool.size_bytes < before / 2


def test_old_bulk_is_dropped_and_young_stays(tmp_path: Path) -> None:
    disk = Disk(tmp_path, Bounds(1 << 20, 3 * DAY_S, "drop_bulk"))
    for _ in range(6):
        disk.fill(1)
        disk.clock.advance(DAY_S)
        disk.read(Lane.HOT)
        disk.spool.ack(disk.spool.next_entry - 2)
        disk.release()
    assert disk.read(Lane.BULK) == [8, 10, 12]
    assert disk.dropped("spool_age") == 3
    assert disk.spool.has_room()
    assert disk.metrics.get("tailrace_agent_spool_age_seconds") == 3 * DAY_S


def test_at_the_bound_of_age_reading_stops_until_it_is_delivered(tmp_path: Path) -> None:
    disk = Disk(tmp_path, Bounds(1 << 20, DAY_S))
    disk.fill(1)
    disk.clock.advance(DAY_S - 1)
    disk.release()
    assert disk.spool.has_room()
    disk.clock.advance(2)
    disk.release()
    assert not disk.spool.has_room()
    for lane in (Lane.HOT, Lane.BULK):
        disk.spool.ack(disk.read(lane)[-1], lane)
    disk.release()
    assert disk.spool.has_room()


def test_a_gateway_that_is_away_for_88_hours_costs_nothing(tmp_path: Path) -> None:
    disk = Disk(tmp_path, Bounds(400_000))
    for _ in range(88 * 2):
        disk.fill(1)
        disk.clock.advance(1_800)
        disk.release()
    assert disk.spool.has_room()
    assert disk.metrics.get("tailrace_agent_spool_age_seconds") == 88 * 3600
    disk.spool.close()
    spool = Spool(tmp_path / "spool", disk.bounds, disk.metrics, disk.losses, disk.clock)
    spool.recover(1, 1, lambda note: None, 1, SOURCE)
    disk.spool = spool
    for lane, first in ((Lane.HOT, 1), (Lane.BULK, 2)):
        found = disk.read(lane)
        assert found == list(range(first, 88 * 4 + 1, 2))
        spool.ack(found[-1], lane)
    disk.release()
    assert spool.size_bytes == 0
    assert disk.losses.pending() == []


def test_a_mark_outlives_the_entry_that_carried_it(tmp_path: Path) -> None:
    disk = Disk(tmp_path, Bounds(20_000, full="drop_bulk"))
    disk.fill(20)
    disk.release()
    disk.spool.close()
    marks: list[int] = []
    spool = Spool(tmp_path / "spool", disk.bounds, disk.metrics, disk.losses, disk.clock)
    # As if all checkpoints were gone.
    assert spool.recover(1, 1, lambda n: None if n.more else marks.append(n.mark.offset), 1, SOURCE)
    assert marks == list(range(20, 401, 20))


def test_an_unfinished_piece_is_cut_off_and_read_again_under_a_new_epoch(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(State(SOURCE, 5))
    disk = Disk(tmp_path, Bounds(1 << 20))
    disk.fill(2)
    disk.spool.append([entry(5, lane=Lane.HOT, more=True), entry(6, lane=Lane.HOT, more=True)])
    again = Spool(tmp_path / "spool", 1 << 20, Metrics())
    state = recover(checkpoints, again, ManualClock())
    assert state.files["1:2"].offset == 40
    assert (state.epoch > 5, state.next_entry) == (True, 5)
    assert [e.note.entry for e in again.read(1 << 20, 99)] == [1, 3]
    assert [e.note.entry for e in again.read(1 << 20, 99, Lane.BULK)] == [2, 4]


def test_what_is_delivered_stays_until_a_checkpoint_covers_it(tmp_path: Path) -> None:
    disk = Disk(tmp_path, Bounds(8_000))
    for number in range(1, 13):
        disk.spool.append([entry(number)])
    disk.spool.ack(disk.read(Lane.HOT)[-1])
    before = disk.spool.size_bytes
    disk.spool.release(1)
    assert disk.spool.size_bytes == before
    disk.release()
    assert disk.spool.size_bytes < before
