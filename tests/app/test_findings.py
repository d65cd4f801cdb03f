"""`tailrace findings`: what a person, a program and a code host read."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from tailrace import __version__
from tailrace.app.commands import findings
from tailrace.app.sarif import SCHEMA
from tailrace.cli import main
from tailrace.client.server import Server
from tailrace.core.finding import Item

SAID = "payments 2.4.1 logs card numbers at billing.py:88, 1,200 an hour, first seen 14:02"


def row(**fields: Any) -> dict[str, Any]:
    known = {
        "id": "5f0c8e1d", "service": "payments", "version": "2.4.1", "environment": "production",
        "detector": "pan", "title": "card numbers", "field": "card.number",
        "code": "app/billing.py:88", "action": "pseudonymise", "hits": 4_210,
        "hits_last_hour": 1_200, "first_seen": "2026-11-26T14:02:11Z",
        "last_seen": "2026-11-26T15:01:58Z", "alerting": True, "sentence": SAID,
    }  # fmt: skip
    return {**known, **fields}


MAIL = row(
    id="77", service="web", version="", detector="email", title="e-mail addresses", code="",
    field="sent mail to * " * 9, action="redact", alerting=False, hits_last_hour=0,
)  # fmt: skip


def asked(
    monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]], *arguments: str, more: bool = False
) -> int:
    body = msgspec.json.encode({"findings": rows, "truncated": more})
    monkeypatch.setattr(Server, "get", lambda server, path, asked: body)
    return main(["findings", *arguments])


def test_a_row_is_what_the_server_answers() -> None:
    assert Item.__struct_fields__ == tuple(row())


def test_a_table_says_who_logs_what_where(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(monkeypatch, [row(service="evil\x1b[2J"), MAIL]) == 0
    heading, first, second, last = capsys.readouterr().out.splitlines()
    assert re.split("  +", heading) == list(findings._HEADINGS)
    assert re.split("  +", first) == [
        "2026-11-26T15:01:58Z", "evil\\x1b[2J", "2.4.1", "card numbers", "app/billing.py:88",
        "pseudonymise", "4,210", "1,200", "2026-11-26T14:02:11Z", "ALERT",
    ]  # fmt: skip
    assert re.split("  +", second)[4] == ("sent mail to * " * 9)[:59] + "…"
    assert last == "2 found, 1 alerting"
    assert asked(monkeypatch, []) == 0
    assert capsys.readouterr().out == "none\n"


def test_a_build_learns_of_alerts_by_the_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(monkeypatch, [row(), MAIL], "--fail") == 1
    assert asked(monkeypatch, [MAIL], "--fail") == 0
    assert asked(monkeypatch, [row()]) == 0


def test_json_is_what_the_server_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert asked(monkeypatch, [row()], "--json", more=True) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == {"findings": [row()], "truncated": True}
    assert "there are more than are listed" in said.err
    path = tmp_path / "found.json"
    assert asked(monkeypatch, [row()], "--json", "--output", str(path)) == 0
    assert json.loads(path.read_text())["findings"] == [row()]
    assert capsys.readouterr().out == ""


def test_sarif_has_a_rule_for_each_detector_and_a_result_for_each_finding(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        row(),
        MAIL,
        row(id="3", code="/srv/a b/x.py:7", action="approved", alerting=False),
        row(id="4", code="", field="", service=""),
    ]
    assert asked(monkeypatch, rows, "--sarif") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["$schema"], found["version"]) == (SCHEMA, "2.1.0")
    (one,) = found["runs"]
    driver = one["tool"]["driver"]
    assert (driver["name"], driver["semanticVersion"]) == ("tailrace", __version__)
    assert [rule["id"] for rule in driver["rules"]] == ["email", "pan"]
    assert driver["rules"][1]["shortDescription"]["text"] == "Card numbers in logs"
    results = one["results"]
    assert [r["level"] for r in results] == ["error", "warning", "note", "error"]
    assert [r["ruleIndex"] for r in results] == [1, 0, 1, 1]
    assert [r["partialFingerprints"]["tailrace/v1"] for r in results] == [
        "5f0c8e1d",
        "77",
        "3",
        "4",
    ]
    assert results[0]["message"]["text"] == SAID
    assert results[0]["properties"]["hits"] == 4_210
    places = [r["locations"][0] for r in results[:3]]
    assert places[0] == {
        "physicalLocation": {
            "artifactLocation": {"uri": "app/billing.py", "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": 88},
        },
        "logicalLocations": [{"name": "card.number", "fullyQualifiedName": "payments/card.number"}],
    }
    assert "physicalLocation" not in places[1]
    assert places[1]["logicalLocations"][0]["fullyQualifiedName"].startswith("web/sent mail")
    assert places[2]["physicalLocation"]["artifactLocation"] == {"uri": "file:///srv/a%20b/x.py"}
    assert "locations" not in results[3]


class _Answering(BaseHTTPRequestHandler):
    """Remembers what was asked; refuses a service it does not like."""

    requests: ClassVar[list[tuple[str, dict[str, list[str]], str | None]]] = []

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        fields = parse_qs(parts.query, keep_blank_values=True)
        self.requests.append((parts.path, fields, self.headers["Authorization"]))
        refused = fields["service"] == ["bad"]
        body = b'{"error": "service: no"}' if refused else b'{"findings": [], "truncated": false}'
        self.send_response(400 if refused else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None: ...


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_server_is_asked_for_what_the_arguments_say(url: str, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    words = ["--since", "7d", "--service", "a b", "--detector", "pan", "--environment", "test"]
    _Answering.requests.clear()
    assert main(["findings", *words, "--alerting", "--url", url, "--token-file", str(token)]) == 0
    assert main(["findings", "--url", url + "/"]) == 0
    first, second = _Answering.requests
    assert (first[0], first[2]) == ("/api/v1/findings", "Bearer secret")
    assert first[1] == {
        "since": ["7d"], "service": ["a b"], "detector": ["pan"], "environment": ["test"],
        "alerting": ["true"], "limit": ["10000"],
    }  # fmt: skip
    assert (second[0], second[1]["since"], second[2]) == ("/api/v1/findings", ["24h"], None)


def test_what_is_wrong_is_one_line(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, status, words in (
        (["--url", url, "--service", "bad"], 1, "service: no"),
        (["--url", "http://127.0.0.1:9"], 1, "cannot ask http://127.0.0.1:9: Connection refused;"),
        (["--url", "file:///etc/passwd"], 1, "no http"),
        (["--token-file", "/nowhere"], 2, "nowhere"),
        (["--url", url, "--output", "/nowhere/x"], 2, "nowhere"),
    ):
        assert main(["findings", *arguments]) == status
        said = capsys.readouterr()
        assert words in said.err
        assert (said.err.count("\n"), said.out) == (1, "")


def test_another_kind_of_server_is_told_from_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Server, "get", lambda server, path, asked: b"<html>")
    assert main(["findings"]) == 1
    assert "does not answer as a tailrace server" in capsys.readouterr().err
