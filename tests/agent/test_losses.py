from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tailrace.agent.delivery.losses import Loss, Losses
from tailrace.core import limits
from tailrace.core.metrics import Metrics


def loss(seq: int, epoch: int = 5, reason: str = "spool_full", rows: int = 10) -> Loss:
    return Loss("agent-x", epoch, seq, seq, rows, rows * 100, reason, 1_000 + seq)


def test_a_loss_is_remembered_and_counted_until_it_is_confirmed(tmp_path: Path) -> None:
    metrics = Metrics()
    Losses(tmp_path, metrics).add([loss(3)])
    assert metrics.get("tailrace_agent_dropped_total", "spool_full") == 10
    losses = Losses(tmp_path, Metrics())
    (told,) = losses.pending()
    assert (told.first_seq, told.rows, told.bytes, told.number) == (3, 10, 1_000, 1)
    losses.confirmed(told.number)
    assert losses.pending() == []
    assert Losses(tmp_path, Metrics()).pending() == []
    assert (tmp_path / "losses").stat().st_mode & 0o777 == 0o600


def test_neighbours_are_one_loss_until_it_was_told(tmp_path: Path) -> None:
    losses = Losses(tmp_path, Metrics())
    losses.add([loss(3)])
    losses.add([loss(5), loss(4, reason="refused")])
    first, second = losses.pending()
    assert (first.first_seq, first.last_seq, first.rows, first.at_ns) == (3, 5, 20, 1_003)
    assert second.reason == "refused"
    losses.add([loss(9)])
    again = Losses(tmp_path, Metrics())
    assert [(one.first_seq, one.rows) for one in again.pending()] == [(3, 20), (4, 10), (9, 10)]
    again.add([loss(11)])  # the last one was told too
    again.confirmed(second.number)
    assert [one.first_seq for one in again.pending()] == [9, 11]


def test_ever_more_losses_take_no_more_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LOSS_RECORDS", 20)
    monkeypatch.setattr(limits, "ANNOUNCED_LOSSES", 5)
    losses = Losses(tmp_path, Metrics())
    for seq in range(200):
        losses.add([loss(seq, epoch=seq % 3)])
        assert len(losses.pending()) <= 5
    rows = 0
    while told := losses.pending():
        rows += sum(one.rows for one in told)
        losses.confirmed(told[-1].number)
    assert rows == 2_000
    assert (tmp_path / "losses").stat().st_size < 500


def test_beyond_the_bound_the_oldest_losses_are_forgotten_with_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(limits, "LOSS_RECORDS", 20)
    losses = Losses(tmp_path, Metrics())
    for epoch in range(50):  # none is joined with another
        losses.add([loss(1, epoch=epoch)])
    epochs: list[int] = []
    while told := losses.pending():
        epochs += [one.epoch for one in told]
        losses.confirmed(told[-1].number)
    assert epochs == list(range(30, 50))
    assert caplog.text.count("the oldest is forgotten") == 30


def test_a_full_disk_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = Losses(tmp_path, Metrics())
    losses.add([loss(1)])
    with monkeypatch.context() as patch:

        def fail(path: Path, data: bytes) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr("tailrace.agent.delivery.losses.write_whole", fail)
        with pytest.raises(OSError, match="No space"):
            losses.add([loss(2)], "agent-x", 7)
    assert losses.dropped("agent-x") == 0
    assert [one.rows for one in losses.pending()] == [10]


@pytest.mark.parametrize("damage", [b"", b"TRL1", b"TRL1" + bytes(8) + b"\x90", b"x" * 999])
def test_a_damaged_record_is_set_aside(tmp_path: Path, damage: bytes) -> None:
    Losses(tmp_path, Metrics()).add([loss(1)])
    (tmp_path / "losses").write_bytes(damage)
    losses = Losses(tmp_path, Metrics())
    assert losses.pending() == []
    assert (tmp_path / "losses.corrupt").read_bytes() == damage
    losses.add([loss(2)])
    assert len(losses.pending()) == 1


def test_what_was_dropped_is_of_one_agent_only(tmp_path: Path) -> None:
    losses = Losses(tmp_path, Metrics())
    losses.add([loss(1)], "agent-x", 7)
    losses.add([loss(2, reason="refused")])
    assert losses.dropped("agent-x") == 7
    assert losses.dropped("agent-y") == 0


def test_a_loss_is_plain_json(tmp_path: Path) -> None:
    losses = Losses(tmp_path, Metrics())
    losses.add([loss(1)])
    assert set(msgspec.to_builtins(losses.pending()[0])) == {
        *("source", "epoch", "first_seq", "last_seq", "rows", "bytes", "reason", "at_ns", "number"),
    }
