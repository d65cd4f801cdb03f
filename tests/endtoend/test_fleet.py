"""Real agents and a real server: who is listed, stopped, silent, and remembered."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import Server, Start, free_port

COMMAND = Path(sys.executable).with_name("tailrace")
INTERVAL = "1s"  # a machine with other things to do is late by some of them
OWN_AGENT = {"TAILRACE_AGENT__ANNOUNCE": "1h"}  # the server's, which is not what is looked at


class Agents:
    """`tailrace agent` processes of one server."""

    def __init__(self, home: Path, server: Server) -> None:
        self._home = home
        self.server = server
        self.port = free_port()
        self._running: list[subprocess.Popen[bytes]] = []
        (home / "logs").mkdir()
        (home / "logs" / "shop.log").write_text("one\ntwo\n")

    def launch(self, name: str, **environment: str) -> subprocess.Popen[bytes]:
        config = self._home / f"{name}.toml"
        config.write_text(
            f"[agent]\ndirectory = '{self._home / name}'\nannounce = '{INTERVAL}'\n"
            f"gateways = ['http://127.0.0.1:{self.server.port}']\nsystem = 'shop'\n"
            f"zone = 'north-1a'\nresource = {{ 'host.name' = '{name}', 'host.id' = '' }}\n"
            f"[[agent.inputs]]\npaths = ['{self._home}/logs/*.log']\n"
        )
        process = subprocess.Popen(
            [COMMAND, "agent", "--config", config], env={**os.environ, **environment}
        )
        self._running.append(process)
        return process

    def listed(self) -> dict[str, dict[str, Any]]:
        """All but the server's own, by host."""
        answer = self.server.get("/api/v1/agents")
        assert answer.status == 200, answer
        found = {agent["announcement"]["host"]: agent for agent in answer.json()["agents"]}
        return {host: agent for host, agent in found.items() if host in ("red", "blue")}

    def states(self) -> dict[str, str]:
        return {host: agent["state"] for host, agent in self.listed().items()}

    def until(self, expected: dict[str, str]) -> None:
        self.server.until(lambda: self.states() == expected, str(expected))

    def kill(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()


@pytest.fixture
def agents(tmp_path: Path, start: Start) -> Iterator[Agents]:
    found = Agents(tmp_path, start(**OWN_AGENT))
    yield found
    found.kill()


def command(agents: Agents, *arguments: str) -> subprocess.CompletedProcess[str]:
    url = f"http://127.0.0.1:{agents.server.port}"
    return subprocess.run(
        [COMMAND, "agents", "--url", url, *arguments], capture_output=True, text=True, timeout=60
    )


def test_agents_are_listed_stopped_silent_and_remembered(agents: Agents) -> None:
    red, blue = agents.launch("red"), agents.launch("blue")
    agents.server.until(
        lambda: (
            all(
                agent["state"] == "running" and agent["announcement"].get("lines") == 2
                for agent in (
                    agents.listed().get("red", {"state": ""}),
                    agents.listed().get("blue"),
                )
                if agent is not None
            )
            and len(agents.listed()) == 2
        ),
        "both heard with their lines",
    )
    assert command(agents, "--silent").returncode == 0

    red.send_signal(signal.SIGTERM)
    assert red.wait(20) == 0
    blue.kill()
    agents.until({"red": "stopped", "blue": "silent"})
    assert agents.server.metric("tailrace_agents", "silent") == 1
    assert agents.server.metric("tailrace_agents", "stopped") == 1

    table = command(agents)
    assert table.returncode == 0, table.stderr
    lines = table.stdout.splitlines()
    assert lines[0].split()[:4] == ["HOST", "VERSION", "STATE", "SINCE"]
    assert lines[1].split()[0] == "blue"
    assert "SILENT" in lines[1]
    assert "1 silent" in lines[-1]
    silent = command(agents, "--silent", "--format", "json")
    assert silent.returncode == 1
    assert [a["announcement"]["host"] for a in json.loads(silent.stdout)["agents"]] == ["blue"]

    before = agents.listed()
    assert agents.server.stop() == 0
    agents.server.start()
    agents.until({"red": "stopped", "blue": "silent"})
    assert agents.listed()["blue"]["first_seen_ns"] == before["blue"]["first_seen_ns"]
    agents.launch("blue")
    agents.until({"red": "stopped", "blue": "running"})
    assert agents.listed()["blue"]["source"] == before["blue"]["source"]


def test_an_agent_serves_its_metrics_names_its_place_and_outlasts_hostile_words(
    agents: Agents,
) -> None:
    agents.launch("red", TAILRACE_AGENT__LISTEN=f"127.0.0.1:{agents.port}")
    agents.until({"red": "running"})
    url = f"http://127.0.0.1:{agents.port}"
    with urllib.request.urlopen(f"{url}/ready", timeout=10) as answer:
        assert answer.read() == b"ready\n"

    def lines() -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/metrics") as answer:
            return b"tailrace_agent_lines_total 2\n" in answer.read()
        return False

    agents.server.until(lines, "metrics count the lines")
    agents.server.until(lambda: agents.server.counts() == {"shop": 2}, "rows stored")
    found = agents.server.get("/loki/api/v1/query_range?query=%7Bservice_name%3D%22shop%22%7D")
    labels = found.json()["data"]["result"][0]["stream"]
    assert labels["system"] == "shop"
    assert labels["cloud_availability_zone"] == "north-1a"
    assert labels["host_name"] == "red"
    assert "host_id" not in labels

    server = agents.server
    for body, status in ((b"{}", 400), (b'{"source":1}', 400), (b"x" * 65_537, 413)):
        assert server.post("/agents/announce", body).status == status
    for path in ("agents?state=asleep", "agents?limit=0", "losses?since=ever", "losses?limit=x"):
        assert server.get(f"/api/v1/{path}").status == 400
    assert server.get("/api/v1/losses?since=30d").json() == {"losses": [], "truncated": False}
    agents.until({"red": "running"})  # a busy machine may be late with one announcement
