"""Lines of pipes and commands: whole, bounded, and none of them lost."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import FakeGateway
from feeding import Drain
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from test_agent import settings, start

from tailrace.agent.feeds.command import Command
from tailrace.agent.feeds.intake import Intake
from tailrace.agent.feeds.pipes import CUT_MARK, Lines, Pipes
from tailrace.agent.inputs import CommandInput, StdinInput
from tailrace.core import limits
from tailrace.core.errors import ConfigError
from tailrace.core.frame import Codec


@examples(deadline=None)
@given(st.lists(st.text("ab\n\u00e4").map(str.encode)))
def test_pieces_give_the_same_lines_as_the_whole(pieces: list[bytes]) -> None:
    lines = Lines()
    found = b"".join(map(lines.feed, pieces)) + lines.close()
    whole = b"".join(pieces)
    assert found == whole + (b"\n" if whole and not whole.endswith(b"\n") else b"")
    assert lines.cut == 0


@examples(deadline=None)
@given(st.lists(st.text("ab\n\u00e4").map(str.encode)))
def test_no_more_than_a_line_is_held(pieces: list[bytes]) -> None:
    lines = Lines(limit_bytes=20)
    for piece in pieces:
        for line in lines.feed(piece).splitlines():
            line.decode()
        assert len(lines._rest) <= 20


def test_a_line_that_is_too_long_is_cut_once() -> None:
    lines = Lines()
    found = b"".join(lines.feed(b"x" * 100_000) for _ in range(9)) + lines.feed(b"\nnext\n")
    long, after = found.splitlines()
    assert len(long) == limits.LINE_BYTES
    assert long.endswith(CUT_MARK)
    assert (after, lines.cut) == (b"next", 1)


@pytest.fixture
def piped() -> Iterator[tuple[Pipes, Drain, int]]:
    intake = Intake(StdinInput(), "x")
    pipes = Pipes(intake)
    reader, writer = os.pipe()
    pipes.add(reader)
    pipes.start()
    yield pipes, Drain(intake), writer
    intake.close()
    pipes.stop()


def test_a_full_intake_holds_the_writer_back(piped: tuple[Pipes, Drain, int]) -> None:
    pipes, drain, writer = piped
    size = 2 * limits.INTAKE_BYTES
    written = threading.Event()

    def write() -> None:
        with os.fdopen(writer, "wb") as file:
            for number in range(size // 100):
                file.write(b"%d ".ljust(99, b"x") % number + b"\n")
        written.set()

    thread = threading.Thread(target=write)
    thread.start()
    assert not written.wait(0.5)
    assert drain.until(pipes.ended.is_set)
    drain.step()
    thread.join()
    assert [int(row.split()[0]) for row in drain.rows] == list(range(size // 100))


def test_rows_of_two_bytes_are_no_more_than_a_frame_holds(
    tmp_path: Path, gateway: FakeGateway
) -> None:
    words = ["sh", "-c", "yes | head -n 700000; yes '' | head -n 700000"]
    agent, _ = start(settings(tmp_path, gateway.url, inputs=[CommandInput(command=words)]))
    agent.wait_ended()
    agent.finish(10.0)
    assert agent.shipped(10.0)
    agent.stop(1.0)
    rows = [frame.header.rows for frame in gateway.taken.values()]
    assert sum(rows) == 700_000
    assert max(rows) <= limits.FRAME_ROWS


def test_a_last_line_without_a_newline_counts(piped: tuple[Pipes, Drain, int]) -> None:
    pipes, drain, writer = piped
    os.write(writer, b"one\ntwo")
    os.close(writer)
    assert drain.until(pipes.ended.is_set)
    drain.step()
    assert drain.rows == [b"one", b"two"]
    assert sum(piece.rows for piece in drain.pieces) == 2


def test_a_stop_takes_what_was_read(piped: tuple[Pipes, Drain, int]) -> None:
    pipes, drain, writer = piped
    os.write(writer, b"one\nha")
    assert drain.count(1)
    pipes.stop()
    assert pipes.ended.is_set()
    drain.step()
    assert drain.rows == [b"one", b"ha"]
    os.close(writer)


def command(*words: str) -> tuple[Command, Drain]:
    found = Command(CommandInput(command=list(words)), "x", lambda: None)
    found.start()
    return found, Drain(found.intake)


def test_a_command_gives_both_outputs_and_its_status() -> None:
    found, drain = command("sh", "-c", "echo out; echo err >&2; exit 3")
    assert drain.until(found.ended.is_set)
    drain.step()
    assert found.exited.wait(5.0)
    assert found.status == 3
    streams = {piece.resource["log.iostream"]: bytes(piece.data) for piece in drain.pieces}
    assert streams == {"stdout": b"out\n", "stderr": b"err\n"}
    found.stop()


def test_a_command_that_is_stopped_may_say_goodbye() -> None:
    script = "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    found, drain = command("sh", "-c", script)
    assert drain.count(1)
    found.stop()
    drain.step()
    assert drain.rows == [b"ready", b"bye"]
    assert found.status == 0


def test_a_child_of_the_command_that_holds_its_output_does_not_hold_us(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tailrace.agent.feeds.pipes.QUIET_S", 0.1)
    found, drain = command("sh", "-c", "sleep 60 & echo $!")
    assert drain.until(found.ended.is_set)
    drain.step()
    os.kill(int(drain.rows[0]), signal.SIGKILL)
    assert found.status == 0


def test_a_command_has_the_signals_of_a_fresh_process() -> None:
    script = "import signal as s; print(s.pthread_sigmask(0, ()), s.getsignal(s.SIGTERM).name)"
    grep = "grep SigIgn /proc/self/status; " + f"{sys.executable} -c '{script}'"
    found, drain = command("sh", "-c", grep)
    assert drain.until(found.ended.is_set)
    drain.step()
    ignored = int(drain.rows[0].split()[1], 16)
    assert not ignored & 1 << (signal.SIGPIPE - 1)
    assert drain.rows[1] == b"set() SIG_DFL"


@pytest.mark.parametrize("words", [["no-such-command-anywhere"], ["/"]])
def test_a_command_that_cannot_be_run_is_an_error_that_names_it(words: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"x\.command"):
        Command(CommandInput(command=words), "x", lambda: None).start()


def test_an_agent_of_inputs_with_an_end_knows_when_all_is_shipped(
    tmp_path: Path, gateway: FakeGateway
) -> None:
    words = ["seq", "1", "5000"]
    agent, _ = start(settings(tmp_path, gateway.url, inputs=[CommandInput(command=words)]))
    assert agent.finite
    agent.wait_ended()
    agent.finish(5.0)
    assert agent.shipped(5.0)
    agent.stop(1.0)
    frames = list(gateway.taken.values())
    assert sum(frame.header.rows for frame in frames) == 5000
    assert {frame.header.codec for frame in frames} == {Codec.LINES}
    assert {frame.header.resource["log.iostream"] for frame in frames} == {"stdout"}


def test_only_one_input_reads_standard_input(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="only one"):
        start(settings(tmp_path, "http://127.0.0.1:1", inputs=[StdinInput(), StdinInput()]))
