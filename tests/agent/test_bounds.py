"""Bounds of the agent that no other test meets: at the bound it works, beyond it something goes."""

from __future__ import annotations

from pathlib import Path

import pytest
import zstandard
from driving import Bench
from spooled import entry
from test_redis import answered

from tailrace.agent.checkpoints import Mark, State
from tailrace.agent.delivery.losses import Losses
from tailrace.agent.delivery.rejected import Rejected
from tailrace.agent.inputs import Files
from tailrace.agent.wake import Wake
from tailrace.core import limits
from tailrace.core.clock import ManualClock
from tailrace.core.metrics import Metrics


def test_of_refused_frames_the_oldest_go_first(tmp_path: Path) -> None:
    metrics = Metrics()
    kept = tmp_path / "rejected"
    rejected = Rejected(kept, metrics, Losses(tmp_path, metrics), ManualClock(), limit_bytes=1_200)
    for number in range(1, 6):
        rejected.keep(entry(number, size=400), "never")
    assert sum(path.stat().st_size for path in kept.iterdir()) <= 1_200
    assert sorted(path.name for path in kept.iterdir()) == [f"5-{n:016d}.trf" for n in (4, 5)]


def test_marks_of_files_that_are_gone_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FINISHED_FILES", 3)
    state = State("agent-x", 5)
    for number in range(1, 6):
        state.remember(Mark(f"/{number}.log", number))
    assert [mark.path for mark in state.finished] == ["/3.log", "/4.log", "/5.log"]


def test_files_that_are_looked_for_when_it_starts_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LOST_FILES", 2)
    bench = Bench(tmp_path)
    files = [tmp_path / "logs" / f"{name}.log" for name in "abcd"]
    for file in files:
        bench.write(b"read\n", file)
    bench.step()
    for file in files:
        bench.write(b"rest of %s\n" % file.stem.encode(), file)
        file.rename(file.with_suffix(".1"))
    bench.restart()
    assert sorted(bench.step()) == [b"rest of c", b"rest of d"]


def test_folders_that_wake_it_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WATCHED_FOLDERS", 2)
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    wake = Wake()
    try:
        wake.watch([str(folder) for folder in folders])
        assert Path(f"/proc/self/fdinfo/{_inotify()}").read_text().count("inotify wd:") == 2
    finally:
        wake.close()


def test_folders_that_come_and_go_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FINISHED_FILES", 2)
    monkeypatch.setattr(limits, "WATCHED_FOLDERS", 2)
    bench = Bench(tmp_path, inputs=[Files(paths=[str(tmp_path / "logs" / "*" / "*.log")])])
    for number in range(30):
        folder = tmp_path / "logs" / f"pod-{number}"
        folder.mkdir()
        bench.write(b"one of %d\n" % number, folder / "0.log")
        assert bench.step() == [b"one of %d" % number]
        (folder / "0.log").unlink()
        folder.rmdir()
        bench.step(100.0)
        bench.step(100.0)
    tail = bench.reader._tail
    assert len(tail.table.folders) <= 10
    assert len(tail._rotation._folders) <= 10


def test_logs_of_which_a_file_may_have_been_missed_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MISSED_LOGS", 3)
    rotation = Bench(tmp_path).reader._tail._rotation
    for number in range(1, 6):
        rotation.expect(Mark(f"/{number}.log", 5, changed_ns=number))
    assert rotation._state.since == {"/3.log": 3, "/4.log": 4, "/5.log": 5}


def _inotify() -> str:
    """The descriptor of the newest inotify instance of this process."""
    found = [one.name for one in Path("/proc/self/fd").iterdir() if "inotify" in _leads_to(one)]
    return max(found, key=int)


def _leads_to(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except OSError:  # that of the folder itself
        return ""


def test_an_answer_of_a_slow_log_is_bounded_whole_and_in_its_parts() -> None:
    large = limits.SLOW_LOG_BYTES + 1
    assert "too large" in answered(b"$%d\r\n" % large)
    part = b"$60000\r\n" + b"x" * 60_000 + b"\r\n"
    assert "too large" in answered(b"*%d\r\n" % 128 + part * 128)


@pytest.mark.parametrize("fits", [True, False], ids=["at the bound", "beyond it"])
def test_a_compressed_file_may_ask_for_so_much_memory(
    tmp_path: Path, fits: bool, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path, inputs=[Files(paths=[str(tmp_path / "logs" / "*.zst")])])
    window = limits.PACKED_WINDOW_BYTES.bit_length() - 1 + (not fits)
    settings = zstandard.ZstdCompressionParameters(window_log=window)
    packed = zstandard.ZstdCompressor(compression_params=settings).compressobj()
    # Of a length that it was not told, so that the window is not made to fit.
    text = packed.compress(b"a line\n") + packed.flush()
    (tmp_path / "logs" / "a.zst").write_bytes(text)
    for _ in range(60):
        bench.step(3.0)
    assert bench.lines == ([b"a line"] if fits else [])
    assert ("ends early" in caplog.text) != fits
