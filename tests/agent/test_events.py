"""Rows of several lines, through the reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from driving import Bench

from tailrace.agent.files.events import events_of
from tailrace.agent.inputs import Files
from tailrace.core.errors import ConfigError
from tailrace.core.frame import Codec

TRACE = (
    b"2026-11-24 10:00:00 ERROR cannot pay\n"
    b"Traceback (most recent call last):\n"
    b'  File "pay.py", line 7, in pay\n'
    b"    raise ValueError(1)\n"
    b"ValueError: 1\n"
)
JOINED = TRACE[:-1].replace(b"\n", b"\x1e")


def reading(tmp_path: Path, **changes: Any) -> Bench:
    return Bench(tmp_path, inputs=[Files(paths=[str(tmp_path / "logs" / "*.log")], **changes)])


def test_a_trace_is_one_row_whatever_it_is_written_in(tmp_path: Path) -> None:
    bench = reading(tmp_path, multiline="auto")
    for end in range(0, len(TRACE), 20):
        bench.write(TRACE[end : end + 20])
        bench.step(0.3)
    bench.write(b"2026-11-24 10:00:01 INFO next\n")
    bench.step(0.6)
    bench.step(0.6)
    assert bench.lines == [JOINED, b"2026-11-24 10:00:01 INFO next"]
    assert bench.hot[0].header.hints.newline == "\x1e"


def test_the_last_lines_wait_for_more_and_not_for_ever(tmp_path: Path) -> None:
    bench = reading(tmp_path, multiline="start", multiline_start="> ")
    bench.write(b"> one\n  of it\n> two\n")
    assert bench.step(0.6) == [b"> one\x1e  of it"]
    bench.write(b"  more\n")
    assert bench.step(0.4) == []
    assert bench.step(0.4) == []
    assert bench.step(0.4) == [b"> two\x1e  more"]
    assert bench.step() == []


def test_an_event_that_waits_is_there_after_a_crash(tmp_path: Path) -> None:
    bench = reading(tmp_path, multiline="auto")
    bench.write(TRACE[:60])
    bench.step(0.1)
    bench.restart()
    bench.write(TRACE[60:])
    bench.step()
    bench.step()
    assert bench.lines == [JOINED]


def test_an_event_at_the_end_of_a_rotated_file_is_whole(tmp_path: Path) -> None:
    bench = reading(tmp_path, multiline="auto")
    bench.write(TRACE)
    bench.log.rename(bench.log.with_name("a.1"))
    bench.restart()
    bench.log.touch()
    (bench.log.with_name("a.1")).rename(bench.log.with_name("b.log"))
    for _ in range(6):
        bench.step(3.0)
    assert bench.lines == [JOINED]


def test_more_lines_than_a_frame_holds_are_cut_between_events(tmp_path: Path) -> None:
    bench = reading(tmp_path, multiline="start", multiline_start=">")
    bench.write(b">\na\n" * 150_000)
    for _ in range(9):
        bench.step()
    assert bench.lines == [b">\x1ea"] * 150_000


def test_a_database_log_becomes_records(tmp_path: Path) -> None:
    bench = reading(tmp_path, codec="postgresql", service="db")
    bench.write(
        b"2026-11-24 18:31:53.072 UTC [7] LOG:  duration: 12.5 ms  statement: select *\n"
        b"\tfrom orders where id = 5\n"
        b"2026-11-24 18:31:54.072 UTC [7] ERROR:  no such table\n"
    )
    bench.step()
    bench.step()
    slow, error = map(json.loads, bench.lines)
    assert slow["attributes"]["duration_ms"] == 12.5
    assert slow["body"].startswith("select *")
    assert error["severity"] == "ERROR"
    assert {frame.header.codec for frame in bench.hot} == {Codec.RECORDS}
    assert {frame.header.rows for frame in bench.hot} <= {1, 2}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"multiline": "start"}, "x.multiline_start"),
        ({"multiline": "auto", "multiline_start": "a"}, "x.multiline"),
        ({"multiline_start": "("}, "x.multiline_start"),
        ({"multiline": "java", "codec": "mysql"}, "x.multiline"),
        ({"multiline": "java", "codec": "records"}, "x.multiline"),
    ],
)
def test_what_cannot_work_is_refused_by_its_key(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        events_of(Files(paths=["/a"], **changes), "x.")
