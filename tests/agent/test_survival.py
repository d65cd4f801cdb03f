"""What must not stop an agent, lose a line or grow its memory."""

from __future__ import annotations

import errno
import os
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest
from driving import Bench
from fakes import FakeGateway
from test_agent import settings, start

from tailrace.agent import reader
from tailrace.agent.files.tailed import CUT_MARK
from tailrace.core import limits
from tailrace.core.limits import GIB, MIB


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def write_huge_line(path: Path, size: int) -> None:
    """A line of `size` bytes, most of which take no space on disk, and one more line."""
    with path.open("wb") as file:
        file.write(b"x" * MIB)
        file.truncate(size)
        file.seek(size)
        file.write(b"\nnext\n")


def test_a_line_of_a_gigabyte_is_cut_flagged_and_counted_in_little_memory(bench: Bench) -> None:
    write_huge_line(bench.log, GIB)
    tracemalloc.start()
    try:
        while len(bench.lines) < 2 and bench.clock.monotonic_s() < 100:
            bench.step()
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [len(line) for line in bench.lines] == [limits.LINE_BYTES, 4]
    assert bench.lines[0].endswith(CUT_MARK)
    assert bench.metrics.get("tailrace_agent_lines_cut_total") == 1
    assert peak_bytes < 8 * MIB


def test_a_huge_line_that_is_still_being_written_is_cut_once(bench: Bench) -> None:
    for _ in range(20):
        bench.write(b"x" * (MIB // 3))
        bench.step()
        bench.restart()
    bench.write(b"\nnext\n")
    bench.step()
    assert [len(line) for line in bench.lines] == [limits.LINE_BYTES, 4]
    assert bench.metrics.get("tailrace_agent_lines_cut_total") == 1


def test_bytes_that_are_no_text_are_repaired_and_counted_by_reason(bench: Bench) -> None:
    bench.write(b"plain\n" * 1000)
    bench.step()
    bench.lines.clear()
    bench.write(b"caf\xe9 \xff\nnul \0 here\n\n\nfine\n")
    assert bench.step() == ["caf\ufffd \ufffd".encode(), "nul \ufffd here".encode(), b"fine"]
    counted = {
        kind: bench.metrics.get("tailrace_agent_repaired_total", kind)
        for kind in ("utf8", "nul", "blank")
    }
    assert counted == {"utf8": 2, "nul": 1, "blank": 2}


@pytest.mark.parametrize("hours", [1, -1])
def test_a_wall_clock_that_jumps_changes_nothing(bench: Bench, hours: int) -> None:
    jumps = [3600.0 * hours, -3600.0 * hours] * 3
    for number, jump in enumerate(jumps):
        bench.write(b"line %d\n" % number)
        bench.clock.jump_wall(jump)
        assert bench.step() == [b"line %d" % number]
        if number % 2:
            bench.restart()
    assert bench.step() == []
    assert len({epoch for epoch, _ in bench.seen}) == 1
    assert sorted(seq for _, seq in bench.seen) == list(range(1, len(jumps) + 1))


def test_lines_that_found_the_disk_full_keep_their_numbers(bench: Bench) -> None:
    bench.reader.stop.wait = lambda timeout=None: False  # type: ignore[method-assign]
    bench.write(b"one\n")
    bench.step()
    bench.write(b"two\n")
    failures = bench.fail_appends(3)
    for left in (2, 1, 0):
        bench.try_step()
        assert len(failures) == left
        assert bench.lines == [b"one"]
    assert bench.step() == [b"two"]
    assert {seq for _, seq in bench.seen} == {1, 2}


def test_a_full_disk_stops_the_reading_until_there_is_space(
    tmp_path: Path, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = True
    refused = 0
    write = os.writev

    def writev(descriptor: int, parts: Sequence[bytes]) -> int:
        nonlocal refused
        if not full:
            return write(descriptor, parts)
        refused += 1
        write(descriptor, [b"".join(parts)[:10]])  # some bytes still found room
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "writev", writev)
    monkeypatch.setattr(reader, "FAILURE_S", 0.02)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "shop.log").write_bytes(b"".join(b"line %d\n" % n for n in range(1000)))
    agent, metrics = start(settings(tmp_path, gateway.url))
    try:
        assert not gateway.wait(lambda: refused >= 5 and gateway.requests > 0, 1.0)
        assert refused >= 5
        assert metrics.get("tailrace_agent_lines_total") == 0
        full = False
        assert gateway.wait(lambda: len(gateway.lines()) == 1000)
    finally:
        agent.stop(5.0)
    assert gateway.lines() == [b"line %d" % n for n in range(1000)]
    assert gateway.gaps() == 0


def test_delivered_segments_make_room_on_a_disk_that_the_spool_has_filled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, spool_bytes=40_000)
    bench.reader.stop.wait = lambda timeout=None: False  # type: ignore[method-assign]
    for _ in range(10):
        bench.write(os.urandom(1_500).hex().encode() + b"\n")
        bench.clock.advance(1.5)
        bench.reader.round()
    write = os.writev

    def writev(descriptor: int, parts: Sequence[bytes]) -> int:
        if bench.spool.size_bytes > 10_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, parts)

    monkeypatch.setattr(os, "writev", writev)
    before = len(bench.seen)
    bench.write(b"last\n")
    bench.try_step()
    assert len(bench.seen) == before
    found = bench.spool.read(1 << 20, 99)
    bench.spool.ack(found[-1].note.entry)
    bench.try_step()
    assert bench.step() == [b"last"]


def test_a_write_that_was_cut_short_is_finished(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.writev
    monkeypatch.setattr(os, "writev", lambda to, parts: write(to, [b"".join(parts)[:7]]))
    bench.write(b"one\n")
    assert bench.step() == [b"one"]


def test_a_machine_that_was_paused_while_it_looked_soon_looks_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = bench.reader._tail.look

    def paused(now_s: float) -> bool:
        bench.clock.advance(600.0)
        return look(now_s)

    monkeypatch.setattr(bench.reader._tail, "look", paused)
    bench.step()
    monkeypatch.undo()
    bench.write(b"one\n")
    bench.step(31.0)
    assert bench.lines == [b"one"]
