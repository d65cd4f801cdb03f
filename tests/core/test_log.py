"""tailrace's own logs: readable records, text on a terminal, and repeats within bounds."""

from __future__ import annotations

import io
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tailrace.core import limits, log
from tailrace.core.clock import ManualClock
from tailrace.core.frame import CANONICAL
from tailrace.wire import records


@pytest.fixture(autouse=True)
def _own_root() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        if isinstance(handler, log.Bounded):
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in stream.getvalue().splitlines()]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_is_a_canonical_record_whatever_it_holds() -> None:
    stream = io.StringIO()
    log.configure(stream=stream)
    logger = log.get("queue")
    try:
        raise ValueError("x" * 100_000)
    except ValueError:
        logger.exception("failed", extra={"path": "/\udcff\x00\n", "count": 3, "why": None})
    data = stream.getvalue().encode()
    assert records.check(data, CANONICAL) == CANONICAL
    assert data.count(b"\n") == 1
    assert len(data) < limits.LINE_BYTES
    row = lines(stream)[0]
    assert (row["service"], row["severity"], row["body"]) == ("tailrace", "ERROR", "failed")
    assert row["attributes"]["count"] == "3"
    assert max(map(len, row["attributes"].values())) == limits.LOG_TEXT_CHARS
    assert abs(row["time"] - time.time_ns()) < 60e9


def test_a_terminal_gets_text_that_does_nothing_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    log.configure(stream=stream)
    log.get("agent").warning("file is not tailed", extra={"path": "/a\x1b[2J"})
    assert stream.getvalue().endswith("WARNING agent: file is not tailed path=/a\\x1b[2J\n")


def test_a_traceback_does_nothing_to_a_terminal_either() -> None:
    stream = Terminal()
    log.configure(stream=stream)
    try:
        raise ValueError("\x1b]0;title\x07")
    except ValueError:
        log.get("gateway").exception("a decoder failed")
    said = stream.getvalue()
    assert "ValueError: \\x1b]0;title\\x07\n" in said
    assert said.count("\n") > 3


def test_the_file_is_private_and_bounded(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "tailrace.log"
    log.configure(stream=io.StringIO(), file=path, repeats=log.Repeats(1_000_000, 60))
    for n in range(2_000):
        log.get("app").info("long %s", "x" * 10_000, extra={"n": n})
    kept = sorted(path.parent.iterdir())
    assert [p.name for p in kept] == ["tailrace.log", "tailrace.log.1"]
    assert sum(p.stat().st_size for p in kept) <= limits.LOG_FILE_BYTES
    assert all(p.stat().st_mode & 0o077 == 0 for p in kept)
    assert kept[0].read_text().splitlines()[-1].endswith('"n":"1999"}}')


def test_of_one_message_only_so_many_are_said_in_a_window() -> None:
    stream = io.StringIO()
    log.configure(stream=stream)
    for n in range(limits.LOG_REPEATS + 5):
        log.get("writer").warning("insert %d failed", n)
    assert len(lines(stream)) == limits.LOG_REPEATS


def test_a_repeated_message_is_counted_and_the_count_is_said_at_the_end_of_its_window() -> None:
    clock = ManualClock()
    stream = io.StringIO()
    log.configure(stream=stream, repeats=log.Repeats(3, 60, clock.monotonic_s))
    logger = log.get("writer")
    for n in range(10):
        logger.warning("insert %d failed", n)
    logger.warning("another")
    assert [row["body"] for row in lines(stream)] == [
        "insert 0 failed",
        "insert 1 failed",
        "insert 2 failed",
        "another",
    ]
    clock.advance(61)
    logger.warning("insert %d failed", 10)
    assert [row["body"] for row in lines(stream)[4:]] == [
        "suppressed 7 like it: insert %d failed",
        "insert 10 failed",
    ]
    assert lines(stream)[4]["severity"] == "WARNING"


def test_the_count_is_said_though_nothing_else_is_logged() -> None:
    stream = io.StringIO()
    log.configure(stream=stream, repeats=log.Repeats(1, 0.05))
    for _ in range(5):
        log.get("agent").error("no")
    deadline = time.monotonic() + 10
    while "suppressed 4 like it: no" not in stream.getvalue():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_is_held_back_at_the_end_is_said() -> None:
    stream = io.StringIO()
    log.configure(stream=stream, repeats=log.Repeats(1, 60))
    for _ in range(5):
        log.get("agent").error("no")
    log.configure(stream=io.StringIO())
    assert lines(stream)[-1]["body"] == "suppressed 4 like it: no"


def test_templates_made_from_data_share_one_bound() -> None:
    stream = io.StringIO()
    log.configure(stream=stream, repeats=log.Repeats(2, 60))
    for n in range(limits.LOG_TEMPLATES + 500):
        logging.getLogger("library").warning(f"made {n}")
    assert len(lines(stream)) == limits.LOG_TEMPLATES + 2


def test_threads_do_not_tear_lines() -> None:
    stream = io.StringIO()
    log.configure(stream=stream, repeats=log.Repeats(10_000, 60))
    logger = log.get("app")
    threads = [
        threading.Thread(target=lambda: [logger.info("x" * 500) for _ in range(200)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines(stream)) == 800
