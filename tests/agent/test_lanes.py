"""What of a sampled input goes to which lane."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from driving import Bench, lines_of

from tailrace.agent.inputs import Files, Keep
from tailrace.core.frame import Frame, Lane

LINES = [b"INFO request %d took 3 ms" % n for n in range(4_000)]
ERRORS = [b"ERROR no room for %d" % n for n in range(40)]


def sampling(tmp_path: Path, **changes: Any) -> Bench:
    paths = [str(tmp_path / "logs" / "*.log")]
    return Bench(tmp_path, inputs=[Files(paths=paths, sample=0.05, **changes)])


def write(bench: Bench) -> None:
    bench.write(b"".join(line + b"\n" for line in LINES + ERRORS))


def rows(frames: list[Frame]) -> list[bytes]:
    return [line for frame in frames for line in lines_of(frame)]


def test_errors_are_kept_a_share_is_sampled_and_the_archive_gets_all(tmp_path: Path) -> None:
    bench = sampling(tmp_path)
    write(bench)
    bench.step()
    kept = [frame for frame in bench.hot if frame.header.weight == 1]
    sampled = [frame for frame in bench.hot if frame.header.weight == 20]
    assert rows(kept) == ERRORS
    assert set(rows(sampled)) <= set(LINES)
    assert 100 < len(rows(sampled)) < 300  # 200 and seven deviations
    assert rows(bench.bulk) == LINES + ERRORS
    assert {frame.header.lane for frame in bench.hot} == {Lane.HOT}
    assert {frame.header.lane for frame in bench.bulk} == {Lane.BULK}
    thresholds = {frame.header.resource["sampling.threshold"] for frame in bench.hot + bench.bulk}
    assert thresholds == {"f3333"}
    assert bench.metrics.get("tailrace_agent_lines_total") == len(LINES + ERRORS)


def test_without_an_archive_both_lanes_get_the_same_and_the_rest_is_counted(tmp_path: Path) -> None:
    bench = sampling(tmp_path, archive=False)
    write(bench)
    bench.step()
    assert not bench.bulk
    assert {frame.header.lane for frame in bench.hot} == {Lane.BOTH}
    left = len(LINES + ERRORS) - len(bench.lines)
    assert bench.metrics.get("tailrace_agent_dropped_total", "sampled") == left > 0


def test_dropped_lines_go_nowhere_and_are_counted(tmp_path: Path) -> None:
    paths = [str(tmp_path / "logs" / "*.log")]
    bench = Bench(tmp_path, inputs=[Files(paths=paths, drop=["request 1"])])
    write(bench)
    bench.step()
    left = [line for line in LINES if b"request 1" not in line]
    assert bench.lines == left + ERRORS
    assert {frame.header.lane for frame in bench.hot} == {Lane.BOTH}
    dropped = bench.metrics.get("tailrace_agent_dropped_total", "filtered")
    assert dropped == len(LINES) - len(left)


def test_a_piece_that_is_dropped_whole_is_not_read_again(tmp_path: Path) -> None:
    paths = [str(tmp_path / "logs" / "*.log")]
    bench = Bench(tmp_path, inputs=[Files(paths=paths, drop=["."])])
    write(bench)
    bench.step()
    bench.step()  # the checkpoint is saved once a second
    bench.restart()
    bench.step()
    assert bench.lines == []
    assert bench.metrics.get("tailrace_agent_dropped_total", "filtered") == len(LINES + ERRORS)


@pytest.mark.parametrize("seed", range(3))
def test_a_crash_repeats_no_row_of_any_lane(tmp_path: Path, seed: int) -> None:
    bench = sampling(tmp_path, keep=Keep(severity=None, errors=False))
    for start in range(0, len(LINES), 500):
        bench.write(b"".join(line + b"\n" for line in LINES[start : start + 500]))
        if (start // 500) % 3 != seed:
            bench.step()
        bench.restart()
    bench.step()
    assert rows(bench.bulk) == LINES
    assert len(set(bench.lines)) == len(bench.lines)
