from __future__ import annotations

import logging
import os
import random
from pathlib import Path

import pytest
from driving import Bench
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.agent.inputs import Files
from tailrace.core import limits


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_an_unfinished_line_waits_for_its_end(bench: Bench) -> None:
    bench.write(b"one\ntw")
    assert bench.step() == [b"one"]
    assert bench.step() == []
    bench.write(b"o\n")
    assert bench.step() == [b"two"]


def test_a_renamed_file_is_read_to_its_end_and_its_last_line_taken(bench: Bench) -> None:
    bench.write(b"one\n")
    bench.step()
    old = bench.log.rename(bench.log.with_name("a.1"))
    bench.write(b"two\nunfinished", old)
    bench.write(b"new\n")
    assert sorted(bench.step()) == [b"new", b"two"]
    bench.write(b" but now\nlast", old)
    assert bench.step() == [b"unfinished but now"]
    bench.step(6.0)
    bench.step(6.0)
    assert bench.lines[-1] == b"last"
    bench.step(6.0)
    assert bench.metrics.get("tailrace_agent_files") == 1


def test_a_file_rotated_while_nobody_looked_is_read_to_its_end(bench: Bench) -> None:
    bench.write(b"one\n")
    bench.step()
    bench.write(b"two\n")
    bench.log.rename(bench.log.with_name("a.1"))
    bench.write(b"three\n")
    bench.restart()
    assert sorted(bench.step()) == [b"three", b"two"]


@pytest.mark.parametrize("after", [b"x\n", b"another one\n", b"much longer than before\n"])
@pytest.mark.parametrize("stopped", [True, False])
def test_a_file_truncated_and_written_again_is_read_from_its_start(
    bench: Bench, after: bytes, stopped: bool
) -> None:
    bench.write(b"first line.\n")
    bench.step()
    bench.log.write_bytes(after)
    os.utime(bench.log, ns=(1, 1))
    if stopped:
        bench.restart()
    assert bench.step() == [after.strip()]


def test_a_huge_line_is_cut_and_the_next_one_is_whole(bench: Bench) -> None:
    bench.write(b"x" * (3 * limits.MIB) + b"\nnext\n")
    bench.step()
    bench.restart()
    bench.step()
    assert [len(line) for line in bench.lines] == [limits.LINE_BYTES, 4]
    assert bench.lines[0].endswith(" …[cut]".encode())
    assert bench.metrics.get("tailrace_agent_lines_cut_total") == 1


def test_many_short_lines_become_frames_within_bounds(bench: Bench) -> None:
    bench.write(b"x\n" * 300_000)
    bench.step()
    assert len(bench.lines) == 300_000


def test_what_is_not_text_or_our_own_is_left_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path, never=[str(tmp_path / "logs" / "own.log")])
    bench.write(b"\0\1\2 wtmp\n", bench.log.with_name("wtmp.log"))
    bench.write(b"own\n", bench.log.with_name("own.log"))
    bench.log.with_name("link.log").symlink_to(bench.log.with_name("own.log"))
    bench.write(b"fine\n")
    assert bench.step() == [b"fine"]


def test_start_at_the_end_leaves_out_only_what_was_there_first(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    source = Files(paths=[str(bench.log.parent / "*.log")], start="end")
    bench = Bench(tmp_path, inputs=[source])
    bench.write(b"old\nhalf")
    assert bench.step() == []
    bench.restart()
    bench.write(b" a line\n")
    bench.write(b"later\n", bench.log.with_name("b.log"))
    assert sorted(bench.step()) == [b"half a line", b"later"]


def test_more_files_than_descriptors_are_read_in_turns(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TAIL_FILES", 3)
    bench.restart()
    for number in range(10):
        bench.write(b"line %d\n" % number, bench.log.with_name(f"{number}.log"))
    for _ in range(10):
        bench.step()
        assert bench.reader._tail.table.opened <= 3
    assert sorted(bench.lines) == [b"line %d" % number for number in range(10)]


ACTIONS = st.lists(
    st.sampled_from(["append", "part", "rotate", "truncate", "restart", "step"]), max_size=30
)


@settings(max_examples=examples(20), deadline=None, suppress_health_check=list(HealthCheck))
@given(ACTIONS, st.integers(0, 2**32))
def test_random_histories_lose_and_repeat_nothing(
    tmp_path_factory: pytest.TempPathFactory, actions: list[str], seed: int
) -> None:
    bench = Bench(tmp_path_factory.mktemp("history"))
    chance = random.Random(seed)
    written = b""
    rotations = number = 0
    bench.log.touch()
    for action in actions:
        if action in ("append", "part"):
            count = chance.randrange(1, 20)
            text = b"".join(b"line %d\n" % n for n in range(number, number + count))
            number += count
            if action == "part":
                text = text[:-1] + b"-"
            bench.write(text)
            written += text
        elif action == "restart":
            bench.restart()
        else:
            bench.step()
        if action in ("rotate", "truncate"):
            bench.write(b"end\n")
            written += b"end\n"
            bench.step()
        if action == "rotate":
            rotations += 1
            bench.log.rename(bench.log.with_name(f"a.{rotations}"))
            bench.log.touch()
        elif action == "truncate":
            bench.log.write_bytes(b"")
    bench.write(b"\n")
    written += b"\n"
    bench.step()
    bench.step()
    assert sorted(bench.lines) == sorted(line for line in written.split(b"\n") if line)


def test_paths_that_match_no_file_are_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paths = [str(tmp_path / "logs" / "*.log"), str(tmp_path / "lgos" / "*.log")]
    bench = Bench(tmp_path, inputs=[Files(paths=[path]) for path in paths])
    bench.write(b"one\n")
    with caplog.at_level(logging.INFO):
        bench.step()
        bench.step()
    told = [record.__dict__["paths"] for record in caplog.records if "no file" in record.message]
    assert told == [paths[1]]
