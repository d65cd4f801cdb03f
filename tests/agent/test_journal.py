"""Real journals, read by the real journalctl."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from driving import Bench
from journals import START_US, WrittenJournal, needed

from tailrace.agent.feeds import journal as module
from tailrace.agent.feeds.journal import journal_available
from tailrace.agent.inputs import JournalInput
from tailrace.core import limits

pytestmark = needed
Launch = Callable[..., Bench]


@pytest.fixture
def written(tmp_path: Path) -> WrittenJournal:
    return WrittenJournal(tmp_path / "journal")


@pytest.fixture
def launch(tmp_path: Path, written: WrittenJournal) -> Iterator[Launch]:
    """A reader of the journal with these settings of its input."""
    started: list[Bench] = []

    def begin(**changes: Any) -> Bench:
        source = JournalInput(directory=str(written.directory), **changes)
        started.append(Bench(tmp_path / "agent", inputs=[source]))
        return started[-1]

    yield begin
    for bench in started:
        bench.close()


def bodies(bench: Bench) -> list[str]:
    return [json.loads(line)["body"] for line in bench.lines]


def step_until(bench: Bench, count: int) -> list[str]:
    """Rounds until that many rows came, and one more for what should not."""
    deadline = time.monotonic() + 10.0
    while len(bench.lines) < count and time.monotonic() < deadline:
        bench.step()
        time.sleep(0.01)
    time.sleep(0.05)
    bench.step()
    return bodies(bench)


def test_an_entry_arrives_as_a_record(written: WrittenJournal, launch: Launch) -> None:
    written.write("hello", PRIORITY="4", SYSLOG_IDENTIFIER="sshd", _PID="7")
    bench = launch(resource={"system": "x"})
    assert step_until(bench, 1) == ["hello"]
    record = json.loads(bench.lines[0])
    assert record["time"] == (START_US + 1) * 1000
    assert (record["severity"], record["service"]) == ("warning", "sshd")
    assert record["attributes"]["_PID"] == "7"
    assert bench.resources[-1]["system"] == "x"
    assert "log.file.path" not in bench.resources[-1]


@pytest.mark.parametrize("seed", range(3))
def test_entries_arrive_once_through_crashes(
    written: WrittenJournal, launch: Launch, seed: int
) -> None:
    chance = random.Random(seed)
    written.write(*(f"entry {n}" for n in range(200)))
    bench = launch()
    for start in range(200, 600, 100):
        for _ in range(chance.randrange(8)):
            bench.step()
            time.sleep(chance.random() * 0.02)
        bench.restart()
        written.write(*(f"entry {n}" for n in range(start, start + 100)))
    assert step_until(bench, 600) == [f"entry {n}" for n in range(600)]


def test_a_spool_that_fails_is_filled_again_under_the_same_numbers(
    written: WrittenJournal, launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailrace.agent.reader.FAILURE_S", 0.0)
    bench = launch()
    written.write("one")
    assert step_until(bench, 1) == ["one"]
    written.write("two")
    failures = bench.fail_appends(3)
    bench.reader.stop.wait = lambda timeout: False  # type: ignore[method-assign]
    deadline = time.monotonic() + 10.0
    while failures and time.monotonic() < deadline:
        bench.try_step()
        time.sleep(0.02)
    assert step_until(bench, 2) == ["one", "two"]
    assert {seq for _, seq in bench.seen} == {1, 2}


def test_a_child_that_dies_is_replaced(written: WrittenJournal, launch: Launch) -> None:
    bench = launch()
    written.write("one")
    assert step_until(bench, 1) == ["one"]
    child = bench.reader._sources[0]._child
    assert child is not None
    child.kill()
    written.write("two")
    assert step_until(bench, 2) == ["one", "two"]


def test_start_at_the_end_leaves_out_only_what_was_there_first(
    written: WrittenJournal, launch: Launch
) -> None:
    written.write("old", "older")
    bench = launch(start="end")
    bench.step()
    bench.restart()
    written.write("new")
    assert step_until(bench, 1) == ["new"]


def test_a_vacuumed_journal_is_a_warning_and_is_read_from_its_oldest(
    written: WrittenJournal, launch: Launch, caplog: pytest.LogCaptureFixture
) -> None:
    written.write("one")
    bench = launch()
    assert step_until(bench, 1) == ["one"]
    bench.close()
    written.write("lost")
    written.vacuum()
    written.write("two", "three")
    bench.restart()
    assert step_until(bench, 3) == ["one", "two", "three"]
    assert "no longer holds the entry" in caplog.text


def test_a_cursor_that_journalctl_refuses_is_a_warning_too(
    written: WrittenJournal, launch: Launch, caplog: pytest.LogCaptureFixture
) -> None:
    written.write("one")
    bench = launch()
    journal = bench.reader._sources[0]
    journal.ahead = module.Mark("journal", cursor="nonsense")
    assert step_until(bench, 1) == ["one"]
    assert "no longer holds the entry" in caplog.text


def test_without_a_journal_there_is_one_warning_and_a_later_start(
    written: WrittenJournal, launch: Launch, caplog: pytest.LogCaptureFixture
) -> None:
    bench = launch()
    assert not journal_available(str(written.directory))
    for _ in range(20):
        bench.step(10.0)
    assert caplog.text.count("journal is not read") == 1
    assert str(written.directory) in caplog.records[0].__dict__["why"]
    written.write("late")
    assert journal_available(str(written.directory))
    bench.clock.advance(60.0)
    assert step_until(bench, 1) == ["late"]


def test_without_journalctl_there_is_one_warning(
    written: WrittenJournal,
    launch: Launch,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "COMMAND", "journalctl-of-nowhere")
    written.write("one")
    bench = launch()
    for _ in range(5):
        bench.step(100.0)
    assert caplog.text.count("journal is not read") == 1


def test_an_entry_beyond_the_limit_is_left_out_and_counted(
    written: WrittenJournal, launch: Launch
) -> None:
    written.write("before", b"x" * (2 * limits.JOURNAL_ENTRY_BYTES), "after")
    bench = launch()
    assert step_until(bench, 2) == ["before", "after"]
    assert bench.metrics.get("tailrace_agent_dropped_total", "oversize") == 1
    assert len(bench.reader._sources[0]._buffer) == 0


def test_a_long_message_is_cut_and_bytes_are_text(written: WrittenJournal, launch: Launch) -> None:
    written.write(b"y" * (limits.LINE_BYTES + 5), b"\xff\0z")
    bench = launch()
    long, odd = step_until(bench, 2)
    assert "…[cut " in long
    assert odd == "\ufffd\ufffdz"
    assert bench.metrics.get("tailrace_agent_lines_cut_total") == 1
    assert bench.metrics.get("tailrace_agent_repaired_total", "utf8") == 1
    assert bench.metrics.get("tailrace_agent_repaired_total", "nul") == 1


def test_our_own_lines_do_not_loop(written: WrittenJournal, launch: Launch) -> None:
    written.write(
        '{"body":"x","service":"tailrace","attributes":{"logger":"tailrace.app"}}',
        SYSLOG_IDENTIFIER="tailrace",
    )
    written.write("kept")
    bench = launch()
    assert step_until(bench, 1) == ["kept"]
    assert bench.metrics.get("tailrace_agent_dropped_total", "own") == 1


def test_only_the_units_that_are_named(written: WrittenJournal, launch: Launch) -> None:
    written.write("no", _SYSTEMD_UNIT="cron.service")
    written.write("yes", _SYSTEMD_UNIT="ssh.service")
    assert step_until(launch(units=["ssh.service"]), 1) == ["yes"]
