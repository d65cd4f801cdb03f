"""An agent's own metrics over HTTP."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator

import pytest

from tailrace.agent.fleet.exposition import Exposition
from tailrace.core.errors import ConfigError
from tailrace.core.metrics import Metrics

READY = {"it": True}


@pytest.fixture
def served() -> Iterator[Exposition]:
    metrics = Metrics()
    metrics.add("tailrace_agent_lines_total", 3)
    found = Exposition("127.0.0.1", 0, metrics, lambda: READY["it"])
    yield found
    found.close()


def get(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path)
    answer = connection.getresponse()
    found = (answer.status, answer.read().decode())
    connection.close()
    return found


def test_metrics_and_readiness_are_served(served: Exposition) -> None:
    status, text = get(served.port, "/metrics")
    assert status == 200
    assert "tailrace_agent_lines_total 3\n" in text
    assert "# TYPE tailrace_process_cpu_seconds_total counter\n" in text
    assert "tailrace_process_resident_bytes " in text
    assert get(served.port, "/ready") == (200, "ready\n")
    READY["it"] = False
    assert get(served.port, "/ready")[0] == 503
    READY["it"] = True


def test_nothing_else_is(served: Exposition) -> None:
    assert get(served.port, "/../etc/passwd")[0] == 404
    assert get(served.port, "/metrics", "POST")[0] == 501


def test_someone_who_talks_nonsense_holds_up_nobody(served: Exposition) -> None:
    with socket.create_connection(("127.0.0.1", served.port)) as rude:
        rude.sendall(b"\x00\xff nonsense\r\n\r\n")
    assert get(served.port, "/ready")[0] == 200


def test_an_address_that_is_taken_is_a_wrong_setting(served: Exposition) -> None:
    with pytest.raises(ConfigError, match=r"agent\.listen"):
        Exposition("127.0.0.1", served.port, Metrics(), lambda: True)
