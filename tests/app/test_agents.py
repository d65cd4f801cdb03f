"""`tailrace agents`: what a person reads, and what is said when it cannot be asked."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from tailrace.app.commands import agents
from tailrace.cli import main
from tailrace.client.server import Server
from tailrace.core.fleet import Announcement, InputReport

NOON_NS = 1_790_000_000_000_000_000


def row(source: str, state: str, **fields: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "source": source, "version": "0.1.0", "host": f"host-{source}", "pid": 1,
        "started_ns": 1, "interval_s": 15.0,
    }  # fmt: skip
    return {
        "source": source,
        "state": state,
        "since_ns": NOON_NS,
        "first_seen_ns": NOON_NS,
        "last_seen_ns": NOON_NS,
        "lost_rows": 7,
        "announcement": Announcement(**{**known, **fields}),
    }


def asked(monkeypatch: pytest.MonkeyPatch, listed: list[dict[str, Any]], *arguments: str) -> int:
    body = msgspec.json.encode({"agents": listed, "counts": {"silent": 1}, "truncated": False})
    monkeypatch.setattr(Server, "get", lambda server, path, asked: body)
    return main(["agents", *arguments])


def test_a_table_says_at_a_glance_how_each_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    busy = row(
        "a", "silent", inputs=[InputReport("files", lag_bytes=2_500_000, lag_s=90.0)] * 2,
        inputs_total=2, spool_bytes=12_345_678, spool_age_s=7_300.0, cpu_share=0.0123,
        resident_bytes=36_000_000, host="evil\x1b[2J",
    )  # fmt: skip
    assert asked(monkeypatch, [busy, row("b", "running")]) == 0
    heading, first, second, last = capsys.readouterr().out.splitlines()
    assert re.split("  +", heading) == list(agents._HEADINGS)
    since = "2026-09-21T14:13:20Z"
    assert re.split("  +", first) == [
        "evil\\x1b[2J", "0.1.0", "SILENT", since, "2", "5 MB 90s", "12.3 MB 2h", "1.2%", "36 MB",
        "7", "a",
    ]  # fmt: skip
    assert re.split("  +", second) == [
        "host-b", "0.1.0", "running", since, "0", "0", "0", "0.0%", "0", "7", "b"
    ]  # fmt: skip
    assert first.index("SILENT") == second.index("running") == heading.index("STATE")
    assert last == "1 silent"


def test_cron_learns_of_silence_by_the_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(monkeypatch, [row("a", "silent")], "--silent") == 1
    assert asked(monkeypatch, [], "--silent") == 0
    assert asked(monkeypatch, [row("a", "silent")]) == 0


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--url", "http://127.0.0.1:9"], 1, "cannot ask"),
        (["--url", "file:///etc/passwd"], 1, "no http"),
        (["--token-file", "/nowhere"], 2, "nowhere"),
    ],
)
def test_what_is_wrong_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, words: str
) -> None:
    assert main(["agents", *arguments]) == status
    said = capsys.readouterr()
    assert words in said.err
    assert said.err.count("\n") == 1
    assert not said.out


def test_another_kind_of_server_is_told_from_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Server, "get", lambda server, path, asked: b"<html>")
    assert main(["agents"]) == 1
    assert "does not answer as a tailrace server" in capsys.readouterr().err
