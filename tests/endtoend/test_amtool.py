"""Alertmanager's own tool asks a server that evaluates rules, silences its alerts and sees that."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from running import Server, Start

AMTOOL = Path(__file__).resolve().parents[2] / ".venv/debian/usr/bin/amtool"
pytestmark = pytest.mark.skipif(
    not AMTOOL.exists(), reason="amtool is not unpacked: see scripts/system-packages.sh"
)
RULES = """
groups:
  - name: shop
    interval: 1s
    rules:
      - {alert: Down, expr: vector(1), labels: {severity: page, host: a}}
      - {alert: Slow, expr: vector(2), labels: {severity: warn, host: a}}
      - alert: Full
        expr: vector(3)
        labels: {severity: warn, host: b, path: '/var/"lib"'}
        annotations: {summary: the disk is full}
"""
SETTINGS = {
    "TAILRACE_ALERTS__RECEIVERS": "[{name='calls', kind='command', command=['true']}]",
    "TAILRACE_ALERTS__RECEIVER": "log",
    "TAILRACE_ALERTS__ROUTES": """[{receiver='calls', matchers=['severity="page"']}]""",
    "TAILRACE_ALERTS__INHIBIT": """[
        {source=['severity="page"'], target=['severity="warn"'], equal=['host']}
    ]""".replace("\n", ""),
}


class Tool:
    """amtool, asking one server."""

    def __init__(self, server: Server, home: Path) -> None:
        self._url = f"--alertmanager.url=http://127.0.0.1:{server.port}"
        # It reads its user's settings.
        self._environment = {"HOME": str(home)}

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [AMTOOL, self._url, *words],
            capture_output=True, text=True, timeout=60, check=False, env=self._environment,
        )  # fmt: skip

    def say(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def shown(self, *words: str) -> dict[str, dict[str, Any]]:
        """Alerts by name."""
        found = json.loads(self.say("-o", "json", "alert", "query", *words))
        return {one["labels"]["alertname"]: one for one in found}

    def silences(self, *words: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.say("-o", "json", "silence", "query", *words))
        return found


@pytest.fixture
def tool(start: Start, tmp_path: Path) -> Tool:
    (tmp_path / "shop.yml").write_text(RULES)
    server = start(TAILRACE_ALERTS__RULES=f"['{tmp_path / 'shop.yml'}']", **SETTINGS)
    found = Tool(server, tmp_path)
    server.until(lambda: {"Down", "Full"} <= found.shown().keys(), "alerts fire")
    return found


def test_amtool_shows_alerts_and_silences_them(tool: Tool) -> None:
    assert tool.shown().keys() == {"Down", "Full"}
    full = tool.shown("host=b", 'severity=~"w.*"')["Full"]
    assert full["labels"]["path"] == '/var/"lib"'
    assert full["annotations"] == {"summary": "the disk is full"}
    assert tool.shown("--receiver", "calls").keys() == {"Down"}
    slow = tool.shown("--inhibited")["Slow"]
    assert slow["status"]["inhibitedBy"] == [tool.shown()["Down"]["fingerprint"]]

    name = tool.say("silence", "add", "host=b", "alertname!=X", "-c", "moves", "-a", "ann")
    assert tool.shown().keys() == {"Down"}
    full = tool.shown("--silenced")["Full"]
    assert (full["status"]["state"], full["status"]["silencedBy"]) == ("suppressed", [name])
    (before,) = tool.silences("host=b")
    assert (before["id"], before["createdBy"], before["comment"]) == (name, "ann", "moves")

    tool.say("silence", "update", name, "-d", "5h", "-c", "moves again")
    (updated,) = tool.silences()
    assert (updated["id"], updated["comment"]) == (name, "moves again")
    assert updated["endsAt"] > before["endsAt"]

    tool.say("silence", "expire", name)
    assert tool.silences() == []
    assert [one["id"] for one in tool.silences("--expired", "--within", "1h")] == [name]
    assert tool.shown().keys() == {"Down", "Full"}


def test_amtool_brings_silences_of_a_file_and_reads_the_routes(tool: Tool, tmp_path: Path) -> None:
    for value in ("b", r'"x\"y,z"'):
        tool.say("silence", "add", f"path!={value}", "host=~a|b", "-c", "moves", "-a", "ann")
    before = tool.silences()
    file = tmp_path / "silences.json"
    file.write_text(json.dumps(before))
    for one in before:
        tool.say("silence", "expire", one["id"])
    tool.say("silence", "import", str(file))
    after = tool.silences()
    assert len(after) == 2
    assert [one["matchers"] for one in after] == [one["matchers"] for one in before]
    assert not {one["id"] for one in after} & {one["id"] for one in before}

    assert tool.say("config", "routes", "test", "severity=page") == "calls"
    assert tool.say("config", "routes", "test", "severity=warn") == "log"
    assert 'severity="page"' in tool.say("config", "routes", "show")
    assert "receiver: calls" in tool.say("config", "show")
    assert "disabled" in tool.say("cluster", "show")


def test_amtool_says_why_what_it_asks_is_refused(tool: Tool) -> None:
    added = tool.run("alert", "add", "Mine", "host=z")
    assert added.returncode != 0
    assert "alerts are made by the rules of this server" in added.stderr
    unknown = tool.run("silence", "expire", "96214b21-b61e-4937-b5a5-4a5c40f4440e")
    assert unknown.returncode != 0
    assert "404" in unknown.stderr
    everything = tool.run("silence", "add", "host=~.*", "-c", "all", "-a", "ann")
    assert everything.returncode != 0
    assert "must not match an empty label" in everything.stderr
