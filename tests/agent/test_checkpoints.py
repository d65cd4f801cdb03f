from __future__ import annotations

from pathlib import Path

import pytest
from spooled import entry

from tailrace.agent.agent import recover
from tailrace.agent.checkpoints import Checkpoints, Mark, State
from tailrace.agent.delivery.spool import Spool
from tailrace.core.clock import ManualClock
from tailrace.core.metrics import Metrics


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    state = State("agent-x", 5, 6, 7, 4, {"1:2": Mark("/a.log", 9, 1, 2, True)}, ["/*.log"])
    Checkpoints(tmp_path).save(state)
    loaded = Checkpoints(tmp_path).load()
    assert loaded.intact
    assert loaded.state == state


@pytest.mark.parametrize("damage", [b"", b"TRC1", b"TRC1" + bytes(8) + b"\x90"])
def test_a_torn_checkpoint_falls_back_to_the_one_before(tmp_path: Path, damage: bytes) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(State("agent-x", 5, 1))
    checkpoints.save(State("agent-x", 5, 2))
    (tmp_path / "checkpoints").write_bytes(damage)
    loaded = checkpoints.load()
    assert not loaded.intact
    assert loaded.state is not None
    assert loaded.state.next_seq == 1


def test_after_a_lost_checkpoint_no_number_is_used_again(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(State("agent-x", 5, 9, 9))
    (tmp_path / "checkpoints").write_bytes(b"torn")
    clock = ManualClock()
    state = recover(checkpoints, Spool(tmp_path / "spool", 1 << 20, Metrics()), clock)
    assert state.epoch >= clock.wall_ns()


def test_the_spool_advances_the_checkpoint(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(State("agent-x", 5))
    spool = Spool(tmp_path / "spool", 1 << 20, Metrics())
    spool.recover(1, 1, lambda note: None)
    spool.append([entry(1), entry(2)])
    spool.append([entry(3)])
    again = Spool(tmp_path / "spool", 1 << 20, Metrics())
    state = recover(checkpoints, again, ManualClock())
    assert (state.epoch, state.next_seq, state.next_entry) == (5, 4, 4)
    assert state.files["1:2"].offset == 30
    assert again.read(1 << 20, 99) == [entry(1), entry(2), entry(3)]


@pytest.mark.parametrize("lost", [1, 20, 200])
def test_a_torn_entry_is_read_again_under_a_new_epoch(tmp_path: Path, lost: int) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(State("agent-x", 5))
    spool = Spool(tmp_path / "spool", 1 << 20, Metrics())
    spool.append([entry(1), entry(2)])
    (segment,) = (tmp_path / "spool").glob("*.spool")
    segment.write_bytes(segment.read_bytes()[:-lost])
    metrics = Metrics()
    again = Spool(tmp_path / "spool", 1 << 20, metrics)
    state = recover(checkpoints, again, ManualClock())
    assert state.files["1:2"].offset == 10
    assert (state.epoch > 5, state.next_seq, state.next_entry) == (True, 1, 2)
    assert metrics.get("tailrace_agent_spool_corrupt_total") == 1
    again.append([entry(2, state.epoch)])
    assert again.read(1 << 20, 99) == [entry(1), entry(2, state.epoch)]


def test_acknowledged_segments_go_and_unacknowledged_stay(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", 3000, Metrics())
    for number in range(1, 9):
        spool.append([entry(number)])
    assert not spool.has_room()
    read = spool.read(1 << 20, 4)
    spool.ack(read[-1].note.entry)
    spool.release(9)
    assert spool.has_room()
    again = Spool(tmp_path / "spool", 4000, Metrics())
    again.recover(9, 5, lambda note: None)
    assert again.read(1 << 20, 99) == [entry(number) for number in range(5, 9)]


def test_a_flipped_bit_costs_one_entry(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", 1 << 20, Metrics())
    spool.append([entry(1), entry(2), entry(3)])
    (segment,) = (tmp_path / "spool").glob("*.spool")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    assert spool.read(1 << 20, 99) == [entry(1), entry(3)]


def test_a_failed_sync_keeps_nothing_and_goes_on_in_a_new_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path / "spool", 1 << 20, Metrics())
    spool.append([entry(1)])
    with monkeypatch.context() as patch:

        def fail(descriptor: int) -> None:
            raise OSError(5, "Input/output error")

        patch.setattr("os.fdatasync", fail)
        patch.setattr("os.ftruncate", lambda descriptor, size: fail(descriptor))
        with pytest.raises(OSError, match="Input/output"):
            spool.append([entry(2)])
    spool.append([entry(2, 5, 77)])
    assert spool.read(1 << 20, 99) == [entry(1), entry(2, 5, 77)]
    again = Spool(tmp_path / "spool", 1 << 20, Metrics())
    found: list[int] = []
    assert again.recover(1, 1, lambda note: found.append(note.mark.offset))
    assert found == [10, 77]
