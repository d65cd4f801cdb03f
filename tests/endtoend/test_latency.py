"""How late alerts are, by a real server: known at rest, and said when a part of it hangs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from running import Server, Start

from tailrace.cli import main

QUICK = {"TAILRACE_ALERTS__CANARY": "1s", "TAILRACE_ALERTS__INTERVAL": "1s"}
RULES = """
groups:
  - name: shop
    interval: 1s
    rules:
      - alert: Quiet
        expr: absent_over_time({service_name="nobody"}[1m])
"""
# The command, with less patience; the part that a file names hangs while it does.
HANGING = """
import asyncio, os, sys, time
from pathlib import Path
from tailrace.core import limits
limits.ALERTS_SILENT_S = 4.0
limits.RULE_SETTLE_S = 0.5
from tailrace.alerts.evaluation.expression import Expressions
from tailrace.alerts.latency import watch
from tailrace.cli import main
from tailrace.gateway.door import Door
from tailrace.writer.loader import Loader
watch._LOOK_S = 0.2
flag = Path(os.environ["FLAG"])

def hangs(part):
    return flag.read_text() == part

def hanging(method, part):
    async def waits(*args, **named):
        while hangs(part):
            await asyncio.sleep(0.05)
        while part == "evaluation" and hangs("loop"):
            time.sleep(0.05)
        return await method(*args, **named)
    return waits

for kind, name, part in (
    (Door, "take_bytes", "door"), (Loader, "load", "writer"), (Expressions, "value", "evaluation"),
):
    setattr(kind, name, hanging(getattr(kind, name), part))
sys.exit(main())
"""


class Hanging(Server):
    """A part of it can hang."""

    def __init__(self, home: Path) -> None:
        self._flag = home / "flag"
        self._flag.write_text("")
        super().__init__(home, **QUICK, FLAG=str(self._flag))
        self.forked = False

    @contextmanager
    def hang(self, part: str) -> Iterator[None]:
        """The part hangs until the end."""
        self._flag.write_text(part)
        try:
            yield
        finally:
            self._flag.write_text("")

    def said(self) -> list[str]:
        """What its log says of how late alerts are."""
        lines = self._log.read_text().splitlines()
        records = [json.loads(line) for line in lines if line.startswith("{")]
        return [one["body"] for one in records if one["body"].startswith("alerts are ")]

    def in_time(self) -> bool:
        """Whether it is, and has said so."""
        return self.said()[-1:] in ([], ["alerts are in time again"]) and not latency(self)["late"]

    def words(self) -> list[str]:
        return [sys.executable, "-c", HANGING, self.command]


@pytest.fixture(scope="module")
def hanging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all parts: each test waits until all is in time, and lets its part go on."""
    server = Hanging(tmp_path_factory.mktemp("hanging"))
    try:
        server.start()
        yield server
    finally:
        server.kill()


def latency(server: Server) -> Any:
    return server.get("/api/v1/alerts/latency").json()


def counts(server: Server) -> dict[str, int]:
    return {one["stage"]: one["delays"]["count"] for one in latency(server)["canary"]["stages"]}


def through(server: Server) -> bool:
    return counts(server)["evaluated"] >= 3


def test_at_rest_it_is_known_after_some_seconds(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    server = start(**QUICK)
    server.until(lambda: through(server), "lines come through")
    url = f"http://127.0.0.1:{server.port}"
    assert main(["alerts", "latency", "--url", url]) == 0
    shown = capsys.readouterr().out
    for words in ("received", "durable", "queryable", "evaluated", "in time: 99 of 100"):
        assert words in shown
    assert main(["alerts", "list", "--url", url]) == 0
    assert capsys.readouterr().out == "no alert is pending or fires\n"
    worst = [one["delays"]["worst_s"] for one in latency(server)["canary"]["stages"]]
    assert worst == sorted(worst)
    assert worst[-1] < 45


def test_its_lines_are_nobodys_and_are_not_archived(start: Start) -> None:
    server = start(**QUICK)
    server.until(lambda: through(server), "lines come through")
    assert server.counts() == {}
    groups = server.get("/api/v1/rules").json()["data"]["groups"]
    assert "canary" not in {one["name"] for one in groups}
    assert server.metric("tailrace_archive_rows_total") == 0
    assert server.metric("tailrace_writer_rows_total") >= 3


def test_a_restart_waits_for_no_line_of_before(start: Start) -> None:
    server = start(**QUICK)
    server.until(lambda: through(server), "lines come through")
    server.kill()
    server.start()
    server.until(lambda: through(server), "lines come through again")
    assert latency(server)["canary"]["oldest_s"] < 45
    assert server.metric("tailrace_canary_lost_total") == 0


def test_without_a_canary_nothing_is_written(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    server = start(TAILRACE_ALERTS__CANARY="0s")
    assert latency(server)["canary"] is None
    assert main(["alerts", "latency", "--url", f"http://127.0.0.1:{server.port}"]) == 0
    assert capsys.readouterr().out.startswith("there is no canary: alerts.canary is 0\n")


def test_of_an_alert_that_is_told_it_is_known_how_late_each_step_was(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = tmp_path / "shop.yml"
    rules.write_text(RULES)
    server = start(**QUICK, TAILRACE_ALERTS__RULES=f"['{rules}']")
    server.until(lambda: latency(server)["sent"]["count"] > 0, "it is sent")
    found = latency(server)
    [rule] = [one for one in found["rules"] if one["name"] == "Quiet"]
    assert (rule["interval_s"], rule["told"]["count"]) == (1.0, 1)
    assert rule["evaluated"]["count"] >= 1
    # A group waits a second for company.
    assert 0 < rule["evaluated"]["worst_s"] <= rule["told"]["worst_s"] < 45
    assert rule["told"]["worst_s"] >= 1
    assert found["sent"]["worst_s"] < 45
    assert server.metric("tailrace_rule_delay_seconds_count", "sent") == 1
    assert main(["alerts", "list", "--url", f"http://127.0.0.1:{server.port}"]) == 0
    assert "Quiet" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("door", "the oldest waits to be received"),
        ("writer", "the oldest waits to be found by queries"),
        ("evaluation", "the oldest waits to be evaluated"),
        ("loop", "no line of the canary has come through"),
    ],
)
def test_a_part_that_hangs_is_said_and_that_it_is_over(
    part: str, words: str, hanging: Hanging
) -> None:
    server = hanging
    server.until(lambda: through(server) and server.in_time(), "all is in time")
    before = len(server.said())
    with server.hang(part):
        server.until(lambda: len(server.said()) > before, "it is said")
        assert server.said()[before].startswith("alerts are late: ")
        assert words in server.said()[before]
        if part != "loop":
            assert server.metric("tailrace_alerts_late", "silent") == 1
            assert words in latency(server)["late"]
    server.until(lambda: server.said()[-1] == "alerts are in time again", "it is over")
