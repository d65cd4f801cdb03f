from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeGateway

from tailrace.agent.agent import Agent
from tailrace.agent.inputs import Files
from tailrace.agent.settings import AgentSettings
from tailrace.core import backoff
from tailrace.core.clock import SystemClock
from tailrace.core.errors import ConfigError
from tailrace.core.frame import Codec
from tailrace.core.metrics import Metrics


def settings(tmp_path: Path, gateway: str, **changes: Any) -> AgentSettings:
    values: dict[str, Any] = {
        "inputs": [Files(paths=[str(tmp_path / "logs" / "*.log")])],
        "directory": str(tmp_path / "state"),
        "gateways": [gateway],
        "poll_interval_s": 0.02,
        "flush_interval_s": 0.02,
        "linger_s": 0.2,
        "resource": {"host.name": "here"},
    }
    return AgentSettings(**{**values, **changes})


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs" / "shop.log"


def start(chosen: AgentSettings) -> tuple[Agent, Metrics]:
    metrics = Metrics()
    agent = Agent(chosen, SystemClock(), metrics)
    agent.start()
    return agent, metrics


def test_lines_arrive_with_identifiers_and_the_token(
    tmp_path: Path, log_file: Path, gateway: FakeGateway
) -> None:
    log_file.write_bytes(b"one\ntwo\n")
    source = Files(paths=[str(log_file)], resource={"cloud.region": "north"})
    agent, metrics = start(settings(tmp_path, gateway.url, inputs=[source], token="secret"))
    assert gateway.wait(lambda: gateway.lines() == [b"one", b"two"])
    agent.stop(5.0)
    (frame,) = gateway.taken.values()
    resource = frame.header.resource
    assert resource["log.file.path"] == str(log_file)
    assert resource["service.name"] == "shop"
    assert resource["cloud.region"] == "north"
    assert resource["host.name"] == "here"
    assert (frame.header.seq, frame.header.rows) == (1, 2)
    assert gateway.tokens == {"Bearer secret"}
    assert metrics.get("tailrace_agent_lines_total") == 2


def test_a_second_run_continues_where_the_first_ended(
    tmp_path: Path, log_file: Path, gateway: FakeGateway
) -> None:
    chosen = settings(tmp_path, gateway.url)
    for number in range(3):
        with log_file.open("ab") as file:
            file.write(b"line %d\n" % number)
        agent, _ = start(chosen)
        agent.stop(5.0)
    assert gateway.lines() == [b"line 0", b"line 1", b"line 2"]
    assert gateway.gaps() == 0
    assert len({epoch for _, epoch, _ in gateway.taken}) == 1


def test_what_the_gateway_does_not_take_is_shipped_by_a_later_run(
    tmp_path: Path, log_file: Path, gateway: FakeGateway
) -> None:
    log_file.write_bytes(b"kept\n")
    gateway.judge = lambda found: 503
    agent, _ = start(settings(tmp_path, gateway.url))
    assert gateway.wait(lambda: gateway.requests > 0)
    agent.stop(0.2)
    log_file.unlink()
    gateway.judge = lambda found: 200
    agent, _ = start(settings(tmp_path, gateway.url))
    assert gateway.wait(lambda: gateway.lines() == [b"kept"])
    agent.stop(5.0)


def test_one_refused_frame_is_set_aside_and_the_rest_arrives(
    tmp_path: Path, log_file: Path, gateway: FakeGateway
) -> None:
    for name in ("a", "b", "c"):
        log_file.with_name(f"{name}.log").write_bytes(name.encode() + b"\n")
    gateway.judge = lambda found: (
        400 if any(f.header.resource["service.name"] == "b" for f in found) else 200
    )
    agent, metrics = start(settings(tmp_path, gateway.url))
    assert gateway.wait(lambda: sorted(gateway.lines()) == [b"a", b"c"])
    agent.stop(5.0)
    assert metrics.get("tailrace_agent_frames_rejected_total") == 1
    (kept,) = (tmp_path / "state" / "rejected").iterdir()
    assert kept.read_bytes().startswith(b"TRF1")


def test_a_full_spool_stops_the_reading_until_there_is_room(
    tmp_path: Path, log_file: Path, gateway: FakeGateway
) -> None:
    import os

    lines = [os.urandom(2000).hex().encode() for _ in range(2000)]
    log_file.write_bytes(b"\n".join(lines) + b"\n")
    gateway.judge = lambda found: 503
    agent, metrics = start(settings(tmp_path, gateway.url, spool_bytes=1_000_000))
    assert gateway.wait(lambda: gateway.requests >= 3)
    assert metrics.get("tailrace_agent_bytes_total") < 4_000_000
    assert sum(p.stat().st_size for p in (tmp_path / "state/spool").iterdir()) < 2_000_000
    gateway.judge = lambda found: 200
    assert gateway.wait(lambda: sum(f.header.rows for f in gateway.taken.values()) == 2000)
    agent.stop(5.0)
    assert gateway.lines() == lines
    assert gateway.gaps() == 0


def test_the_next_gateway_is_tried_when_one_is_away(
    tmp_path: Path, log_file: Path, gateway: FakeGateway
) -> None:
    log_file.write_bytes(b"one\n")
    agent, _ = start(settings(tmp_path, "", gateways=["http://127.0.0.1:1", gateway.url]))
    assert gateway.wait(lambda: gateway.lines() == [b"one"])
    agent.stop(5.0)


def test_a_wrong_token_is_tried_again_slowly(
    tmp_path: Path, log_file: Path, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "SLOW_S", 0.05)
    log_file.write_bytes(b"one\n")
    gateway.judge = lambda found: 401 if gateway.requests < 2 else 200
    agent, _ = start(settings(tmp_path, gateway.url))
    assert gateway.wait(lambda: gateway.lines() == [b"one"])
    agent.stop(5.0)
    assert gateway.requests == 3


def test_one_directory_belongs_to_one_agent(tmp_path: Path, gateway: FakeGateway) -> None:
    agent, _ = start(settings(tmp_path, gateway.url))
    with pytest.raises(ConfigError, match="used by another agent"):
        Agent(settings(tmp_path, gateway.url), SystemClock(), Metrics())
    agent.stop(5.0)


def test_run_returns_after_stop(tmp_path: Path, gateway: FakeGateway) -> None:
    agent = Agent(settings(tmp_path, gateway.url), SystemClock(), Metrics())
    thread = threading.Thread(target=agent.run)
    thread.start()
    while not agent._reading.is_alive():
        threading.Event().wait(0.001)
    agent.stop(5.0)
    thread.join(5.0)
    assert not thread.is_alive()


def test_records_that_are_not_json_travel_as_lines(
    tmp_path: Path, log_file: Path, gateway: FakeGateway
) -> None:
    log_file.write_bytes(b'{"msg":"fine"}\n')
    log_file.with_name("bad.log").write_bytes(b"{oops\n")
    source = Files(paths=[str(log_file.parent / "*.log")], codec="records")
    agent, _ = start(settings(tmp_path, gateway.url, inputs=[source]))
    assert gateway.wait(lambda: len(gateway.taken) == 2)
    agent.stop(5.0)
    codecs = {f.header.resource["service.name"]: f.header.codec for f in gateway.taken.values()}
    assert codecs == {"shop": Codec.RECORDS, "bad": Codec.LINES}
