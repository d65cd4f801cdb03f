"""What an agent says it numbered: exact by minute, and the same after a crash."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailrace.agent.checkpoints import Checkpoints, Mark, State
from tailrace.agent.delivery.entries import Entry, Note
from tailrace.agent.delivery.sending import Sending
from tailrace.agent.delivery.spool import Spool
from tailrace.agent.delivery.totals import Totals
from tailrace.core import limits
from tailrace.core.clock import ManualClock
from tailrace.core.frame import Frame, Header
from tailrace.core.metrics import Metrics
from tailrace.wire import frames

MINUTE_NS = 60_000_000_000


def entry(seq: int, minute: int = 5, rows: int = 2, source: str = "agent-a") -> Entry:
    header = Header("default", source, 7, seq, rows, 10, 2**64 - 1, minute * MINUTE_NS + seq)
    wire = frames.encode([Frame(header, b"x")])[len(frames.MAGIC) :]
    return Entry(Note(seq, 7, seq, rows, "memory:", Mark("")), wire)


def begun(*entries: Entry) -> Sending:
    sending = Sending()
    sending.begin("agent-a", 7, 1, Totals())
    sending.add(entries)
    return sending


def test_a_minute_is_told_once_all_of_it_is_delivered() -> None:
    sending = begun(entry(1), entry(2), entry(3, minute=6), entry(4, minute=8))
    assert sending.told(2) == []
    (first,) = sending.told(3)
    assert (first.upto_seq, first.frames, first.rows, first.bytes) == (3, 2, 4, 20)
    assert first.checksum == f"{2**64 - 2:016x}"
    assert first.at_ns // MINUTE_NS == 5
    assert [one.upto_seq for one in sending.told(4)] == [3, 4]
    assert [(one.upto_seq, one.rows) for one in sending.told(5)] == [(3, 4), (4, 6), (5, 8)]


def test_frames_of_another_numbering_do_not_count() -> None:
    assert begun(entry(1), entry(2, source="agent-b")).totals.frames == 1


def test_so_many_minutes_are_told_and_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ANNOUNCED_SENT", 3)
    monkeypatch.setattr(limits, "SENT_MINUTES", 5)
    sending = begun(*(entry(seq, minute=seq) for seq in range(1, 11)))
    # The oldest are told with those after them.
    assert [one.upto_seq for one in sending.told(7)] == [6, 7]
    assert [one.upto_seq for one in sending.told(11)] == [9, 10, 11]
    assert sending.told(11)[-1].frames == 10


def test_what_was_numbered_since_the_checkpoint_is_counted_again(tmp_path: Path) -> None:
    def spool() -> Spool:
        return Spool(tmp_path / "spool", 1 << 20, Metrics(), clock=ManualClock())

    checkpoints, one = Checkpoints(tmp_path), spool()
    one.sending.begin("agent-a", 7, 1, Totals())
    one.recover(1, 1, lambda note: None)
    one.append([entry(1), entry(2)])
    state = State("agent-a", 7, next_seq=3, next_entry=3, sent=one.sending.totals)
    checkpoints.save(state)
    one.append([entry(3), entry(4, minute=6)])
    told = one.sending.told(5)
    one.close()

    other, kept = spool(), checkpoints.load().state
    assert kept is not None
    assert kept.sent.rows == 4
    other.sending.begin("agent-a", 7, kept.next_seq, kept.sent)
    other.recover(kept.next_entry, 1, lambda note: None)
    assert other.sending.told(5) == told
