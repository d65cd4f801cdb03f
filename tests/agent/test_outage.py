"""88 hours without a gateway, in clock and in bytes, and what is there when it comes back."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from fakes import FakeGateway
from test_agent import settings

from tailrace.agent.agent import Agent
from tailrace.agent.delivery.entries import Entry, Note
from tailrace.agent.delivery.losses import Loss
from tailrace.agent.delivery.spool import WhenFull
from tailrace.agent.inputs import Files
from tailrace.core import backoff
from tailrace.core.clock import ManualClock
from tailrace.core.frame import Lane
from tailrace.core.metrics import Metrics
from tailrace.core.payload import expand

HOURS = 88
LINES_PER_HOUR = 60
SPOOL_BYTES = 200_000


class Outage:
    """A whole agent whose clock moves by the hour; `notes` are of all that was spooled."""

    def __init__(self, root: Path, gateway: FakeGateway, full: WhenFull, age_h: float) -> None:
        (root / "logs").mkdir()
        self.log = root / "logs" / "shop.log"
        self.gateway = gateway
        self.clock = ManualClock()
        self.written: list[bytes] = []
        self.notes: list[Note] = []
        share = 0.05 if full == "drop_bulk" else 1.0
        self.settings = settings(
            root,
            gateway.url,
            inputs=[Files(paths=[f"{root}/logs/*.log"], sample=share)],
            spool_bytes=SPOOL_BYTES,
            spool_age_s=age_h * 3600,
            spool_full=full,
        )
        self.start()

    def start(self) -> None:
        self.metrics = Metrics()
        self.agent = Agent(self.settings, self.clock, self.metrics)
        spool = self.agent._spool
        append = spool.append

        def noted(entries: Sequence[Entry]) -> None:
            append(entries)
            self.notes += [entry.note for entry in entries]

        spool.append = noted  # type: ignore[method-assign]
        self.agent.start()

    def restart(self) -> None:
        self.agent.stop(1.0)
        self.start()

    def read(self) -> int:
        """Rows of the lane that is complete."""
        return sum(note.rows for note in list(self.notes) if note.lane is not Lane.HOT)

    def hour(self, number: int) -> None:
        if number % 24 == 23:
            self.log.rename(self.log.with_name(f"shop.log.{number}"))
        lines = [
            b"hour %d line %d %s %s" % (number, n, level, os.urandom(50).hex().encode())
            for n, level in zip(
                range(LINES_PER_HOUR), [b"ERROR", *[b"INFO"] * LINES_PER_HOUR], strict=False
            )
        ]
        self.written += lines
        with self.log.open("ab") as file:
            file.write(b"\n".join(lines) + b"\n")
        self.clock.advance(3600.0)
        self.until(lambda: self.read() == len(self.written) or not self.agent._spool.has_room())

    def heal(self) -> None:
        self.gateway.come_back()

        def all_done() -> bool:
            spool, end = self.agent._spool, len(self.notes) and self.notes[-1].entry + 1
            return self.read() == len(self.written) and spool.acked == spool.acked_bulk == end

        self.until(all_done)

    def until(self, condition: Callable[[], bool]) -> None:
        end_s = time.monotonic() + 20.0
        while not condition():
            assert time.monotonic() < end_s
            self.clock.advance(5.0)
            self.agent._wake()
            time.sleep(0.002)

    def rows(self, *lanes: Lane) -> list[bytes]:
        return sorted(
            line
            for frame in self.gateway.taken.values()
            if frame.header.lane in lanes
            for line in expand(frame.payload, frame.header.bytes).splitlines()
        )


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "LARGEST_BACKOFF_S", 0.02)


def suffer(tmp_path: Path, gateway: FakeGateway, full: WhenFull, age_h: float) -> Outage:
    outage = Outage(tmp_path, gateway, full, age_h)
    outage.hour(0)
    outage.gateway.leave()
    for number in range(1, HOURS):
        outage.hour(number)
        if number == HOURS // 2:
            outage.restart()
    assert outage.metrics.get("tailrace_agent_spool_bytes") <= 1.1 * SPOOL_BYTES
    outage.heal()
    outage.agent.stop(5.0)
    return outage


@pytest.mark.parametrize("age_h", [0.0, 24.0])
def test_after_88_hours_everything_that_waited_in_its_files_arrives(
    tmp_path: Path, gateway: FakeGateway, age_h: float
) -> None:
    outage = suffer(tmp_path, gateway, "stop", age_h)
    assert outage.rows(Lane.BOTH) == sorted(outage.written)
    assert outage.agent.losses.pending() == []
    assert gateway.gaps() == 0


@pytest.mark.parametrize("age_h", [0.0, 24.0])
def test_after_88_hours_all_that_is_hot_is_there_and_what_is_lost_of_bulk_has_a_name(
    tmp_path: Path, gateway: FakeGateway, age_h: float
) -> None:
    outage = suffer(tmp_path, gateway, "drop_bulk", age_h)
    losses = outage.agent.losses.pending()
    arrived = {(epoch, seq) for _, epoch, seq in gateway.taken}
    missing = [note for note in outage.notes if (note.epoch, note.seq) not in arrived]
    assert missing
    assert all(note.lane is Lane.BULK and named(note, losses) for note in missing)
    assert sum(loss.rows for loss in losses) == sum(note.rows for note in missing)
    assert len(outage.rows(Lane.BULK)) + sum(n.rows for n in missing) == len(outage.written)
    assert set(outage.rows(Lane.BULK)) <= set(outage.written)
    errors = [line for line in outage.written if b" ERROR " in line]
    assert [line for line in outage.rows(Lane.HOT) if b" ERROR " in line] == sorted(errors)
    assert {loss.reason for loss in losses} <= {"spool_full", "spool_age"}


def named(note: Note, losses: list[Loss]) -> bool:
    return any(
        loss.epoch == note.epoch and loss.first_seq <= note.seq <= loss.last_seq for loss in losses
    )
