"""`tailrace queries`: what a person reads."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tailrace.app.commands import queries
from tailrace.cli import main
from tailrace.client.server import Server
from tailrace.query.bounds.slow import SlowQuery

SLOW = SlowQuery(
    1_790_000_000_000_000_000, "shop", "lines", '{a="…"}\x1b[2J', 7.25, 1_200_000,
    3 * 1024**3, "ok",
    "Filter\n  ReadFromMergeTree",
)  # fmt: skip


def asked(monkeypatch: pytest.MonkeyPatch, found: list[SlowQuery], *arguments: str) -> int:
    body = msgspec.json.encode({"queries": found})
    monkeypatch.setattr(Server, "get", lambda server, path, asked: body)
    return main(["queries", *arguments])


def test_a_table_has_a_line_for_each(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    assert asked(monkeypatch, [SLOW, SLOW]) == 0
    heading, first, second = capsys.readouterr().out.splitlines()
    assert heading.split() == list(queries._HEADINGS)
    line = '2026-09-21T14:13:20Z  7.2      1,200,000  3 GiB  ok       lines  {a="…"}\\x1b[2J'
    assert first == second == line


def test_plans_are_shown_when_they_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    assert asked(monkeypatch, [SLOW], "--plan") == 0
    assert capsys.readouterr().out.endswith("\n    Filter\n      ReadFromMergeTree\n")


def test_json_is_what_the_server_says(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    assert asked(monkeypatch, [SLOW], "--format", "json") == 0
    told = msgspec.json.decode(capsys.readouterr().out, type=dict[str, list[SlowQuery]])
    assert told == {"queries": [SLOW]}


def test_none_is_said_in_words(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    assert asked(monkeypatch, []) == 0
    assert capsys.readouterr().out == "no query was slow\n"


@pytest.mark.parametrize(
    ("arguments", "status"), [(["--url", "http://127.0.0.1:9"], 1), (["--token-file", "/no"], 2)]
)
def test_what_is_wrong_is_one_line(arguments: list[str], status: int, capsys: Any) -> None:
    assert main(["queries", *arguments]) == status
    assert capsys.readouterr().err.count("\n") == 1
