"""Three gateways before one server, behind an agent's failover: any of them is killed, nothing is
lost and nothing is there twice."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from nursery import NURSERY
from running import Server, Start, free_port

COMMAND = Path(sys.executable).with_name("tailrace")
GATEWAY = """[server]
listen = "127.0.0.1:{port}"
data_dir = "{home}"
doors = []

[gateway]
upstream = ["http://127.0.0.1:{upstream}"]
token_file = "{token}"
"""
AGENT = """[agent]
directory = "{home}/agent"
gateways = [{gateways}]
flush_interval = "50ms"
announce = "200ms"

[[agent.inputs]]
paths = ["{home}/shop.log"]
service = "shop"
"""
LINES = 60_000


class Gateway:
    """`tailrace gateway`, killed and started again."""

    def __init__(self, home: Path, upstream: int, token: Path) -> None:
        home.mkdir()
        self.port = free_port()
        self._config = home / "gateway.toml"
        self._config.write_text(
            GATEWAY.format(port=self.port, home=home / "data", upstream=upstream, token=token)
        )
        self._log = home / "log"
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            words = [str(COMMAND), "gateway", "--config", str(self._config)]
            self.process = NURSERY.bear(words, os.environ, log.fileno())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(30.0)


@pytest.fixture
def relayed(tmp_path: Path, start: Start) -> Iterator[tuple[Server, list[Gateway]]]:
    """A server that asks for tokens, and three gateways with one that may relay."""
    server = start(TAILRACE_SERVER__TOKEN="reader")
    server.headers["Authorization"] = "Bearer reader"
    token = tmp_path / "token"
    words = ["create", "--name", "gateway", "--scope", "ingest", "--scope", "relay"]
    made = subprocess.run(
        [COMMAND, "token", *words], env=server.environment, capture_output=True, check=True
    )
    token.write_bytes(made.stdout)
    gateways = [Gateway(tmp_path / f"g{n}", server.port, token) for n in range(3)]
    yield server, gateways
    for gateway in gateways:
        gateway.kill()


def write(path: Path, done: threading.Event) -> None:
    """Lines in bursts, some seconds long."""
    chance = random.Random(3)
    number = 0
    with path.open("ab", buffering=0) as file:
        while number < LINES:
            count = min(chance.randrange(1, 1_000), LINES - number)
            file.write(
                b"".join(b"line %d of the shop\n" % n for n in range(number, number + count))
            )
            number += count
            done.wait(0.05)
    done.set()


def test_any_of_three_gateways_may_be_killed(
    tmp_path: Path, relayed: tuple[Server, list[Gateway]]
) -> None:
    server, gateways = relayed
    path = tmp_path / "shop.log"
    path.touch()
    config = tmp_path / "agent.toml"
    urls = ", ".join(f'"http://127.0.0.1:{gateway.port}"' for gateway in gateways)
    config.write_text(AGENT.format(home=tmp_path, gateways=urls))
    done = threading.Event()
    writer = threading.Thread(target=write, args=(path, done))
    agent = subprocess.Popen([COMMAND, "agent", "--config", config], stderr=subprocess.DEVNULL)
    chance = random.Random(4)
    kills = 0
    try:
        server.until(
            lambda: server.counts("shop") == {} and server.get("/ready").status == 200, "up"
        )
        writer.start()
        while not done.is_set():
            gateway = chance.choice(gateways)
            gateway.kill()
            kills += 1
            time.sleep(chance.uniform(0.1, 0.5))  # load and kills come in their own time
            gateway.start()
        writer.join()
        server.until(lambda: server.counts("shop") == {"shop": LINES}, "all lines are stored", 60.0)
        server.until(lambda: bool(server.get("/api/v1/agents").json()["agents"]), "agent is known")
        checked = "tailrace_ledger_checked_frames_total"
        server.until(lambda: server.metric(checked) > 0, "frames are looked for", 90.0)
        assert server.get("/api/v1/ledger/gaps").json()["frames"] == 0
    finally:
        agent.terminate()
        agent.wait(30.0)
        writer.join()
    assert kills > 3
    assert server.counts("shop") == {"shop": LINES}
    assert [gateway.stop() for gateway in gateways] == [0, 0, 0]


def test_a_gateway_answers_503_while_nobody_is_behind_it(tmp_path: Path, start: Start) -> None:
    server = start()
    token = tmp_path / "token"
    token.write_text("none")
    gateway = Gateway(tmp_path / "alone", server.port, token)
    try:
        front = Server(tmp_path / "front")
        front.port, front.process = gateway.port, gateway.process
        front.until(lambda: front.get("/ready").status == 200, "ready")
        assert front.post("/ingest/lines?service=through", b"one\n").status == 200
        server.kill()
        answer = front.post("/ingest/lines?service=through", b"two\n")
        assert answer.status == 503
        assert int({k.lower(): v for k, v in answer.headers.items()}["retry-after"]) >= 1
        server.start()
        front.until(
            lambda: front.post("/ingest/lines?service=through", b"three\n").status == 200,
            "taken again",
        )
        server.until(lambda: server.counts("through").get("through", 0) >= 2, "both are stored")
    finally:
        gateway.kill()


def test_a_gateway_without_upstream_says_what_is_missing(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(f'[server]\ndata_dir = "{tmp_path}/data"\n')
    done = subprocess.run(
        [COMMAND, "gateway", "--config", config], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "gateway.upstream: name at least one gateway" in done.stderr
