"""What an agent says of itself, to whom, and that it disturbs nothing."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fakes import FakeGateway
from test_agent import settings, start

from tailrace.agent import inputs
from tailrace.agent.checkpoints import Mark
from tailrace.agent.files.tailed import TailedFile
from tailrace.agent.fleet.activity import Activity, named
from tailrace.agent.fleet.announce import Announcer, encode
from tailrace.agent.inputs import Files
from tailrace.app import config as configuration
from tailrace.core import limits
from tailrace.core.fleet import Announcement, InputReport, Loss
from tailrace.core.frame import Frame
from tailrace.core.metrics import Metrics
from tailrace.gateway.fleet import decode
from tailrace.wire import frames

LOSS = Loss("agent-1", 1, 2, 3, 4, 5, "spool_full", 6)


def said(**fields: Any) -> Announcement:
    known: dict[str, Any] = {
        "source": "agent-1", "version": "1", "host": "h", "pid": 1, "started_ns": 1,
        "interval_s": 15.0,
    }  # fmt: skip
    return Announcement(**{**known, **fields})


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs" / "shop.log"


def test_an_agent_says_that_it_starts_how_it_is_and_that_it_stops(
    tmp_path: Path, log_file: Path, gateway: FakeGateway
) -> None:
    log_file.write_bytes(b"one\ntwo\n")
    chosen = settings(
        tmp_path, gateway.url, announce_interval_s=0.2, token="secret", configuration="c0ffee"
    )
    agent, metrics = start(chosen)
    assert gateway.wait(
        lambda: any(a.lines == 2 and a.inputs[0].files for a in gateway.announcements)
    )
    agent.stop(5.0)
    first, last = gateway.announcements[0], gateway.announcements[-1]
    assert (first.stopping, last.stopping) == (False, True)
    assert len({(a.source, a.pid, a.started_ns) for a in gateway.announcements}) == 1
    assert (last.host, last.configuration, last.gateway) == ("here", "c0ffee", gateway.url)
    (report,) = last.inputs
    assert (report.type, report.rows, report.bytes, report.lag_bytes) == ("files", 2, 8, 0)
    assert report.named == str(tmp_path / "logs" / "*.log")
    assert last.resident_bytes > 0
    assert last.cpu_s > 0
    assert (last.spool_bytes, last.spool_age_s) == (0, 0.0)
    assert gateway.tokens == {"Bearer secret"}
    assert metrics.get("tailrace_agent_announcements_total", "sent") == len(gateway.announcements)


def test_an_agent_that_stops_at_once_still_says_so(
    tmp_path: Path, log_file: Path, gateway: FakeGateway
) -> None:
    for _ in range(10):
        gateway.announcements.clear()
        agent, _metrics = start(settings(tmp_path, gateway.url, announce_interval_s=15.0))
        agent.stop(5.0)
        assert [a.stopping for a in gateway.announcements] == [False, True]


def test_what_waits_in_the_spool_has_an_age_also_after_a_restart(
    tmp_path: Path, log_file: Path
) -> None:
    gateway = FakeGateway(lambda found: 503)
    log_file.write_bytes(b"one\n")
    chosen = settings(tmp_path, gateway.url, announce_interval_s=0.1)
    agent, _ = start(chosen)
    assert gateway.wait(lambda: any(a.spool_age_s > 0.3 for a in gateway.announcements))
    agent.stop(0.1)
    before = max(a.spool_age_s for a in gateway.announcements)
    gateway.announcements.clear()
    agent, _ = start(chosen)
    assert gateway.wait(lambda: any(a.spool_age_s for a in gateway.announcements))
    agent.stop(0.1)
    assert max(a.spool_age_s for a in gateway.announcements) > before
    assert gateway.announcements[-1].spool_bytes > 0
    gateway.close()


def test_a_gateway_that_knows_no_announcements_costs_one_line_and_no_frame(
    tmp_path: Path, log_file: Path, gateway: FakeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.hears = False
    log_file.write_bytes(b"one\n")
    with caplog.at_level(logging.WARNING):
        agent, metrics = start(settings(tmp_path, gateway.url, announce_interval_s=0.05))
        assert gateway.wait(lambda: len(gateway.announcements) > 5 and gateway.lines() == [b"one"])
        agent.stop(5.0)
    assert caplog.text.count("does not hear") == 1
    assert metrics.get("tailrace_agent_announcements_total", "failed") > 5


def test_a_gateway_that_is_away_holds_up_no_stop(tmp_path: Path, log_file: Path) -> None:
    agent, metrics = start(settings(tmp_path, "http://127.0.0.1:9", announce_interval_s=30.0))
    agent.stop(5.0)
    assert metrics.get("tailrace_agent_announcements_total", "failed") == 2


class Answering:
    """A gateway's answers, one after the other; exceptions are raised."""

    def __init__(self, *answers: tuple[int, bytes] | Exception) -> None:
        self.answers = list(answers)
        self.bodies: list[bytes] = []

    def __call__(self, path: str, body: bytes) -> tuple[int, bytes]:
        self.bodies.append(body)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None: ...


def test_losses_are_confirmed_only_by_an_answer_that_says_so() -> None:
    post = Answering(
        (200, b'{"confirmed_losses": 1}'), (503, b'{"confirmed_losses": 1}'), (200, b"<html>"),
        OSError("away"), ValueError("a header with a token"),
    )  # fmt: skip
    confirmed: list[int] = []
    announcer = Announcer(lambda _: said(losses=[LOSS]), post, 15.0, Metrics(), confirmed.append)
    taken = [announcer.announce(stopping=False) for _ in range(5)]
    assert taken == [True, False, True, False, False]
    assert confirmed == [1]
    assert decode(post.bodies[0]).losses == [LOSS]


def test_an_announcement_always_fits() -> None:
    report = InputReport("files", "\U0001f600" * 200, 1, 2, 3, 4, 5.0)
    loss = msgspec.structs.replace(LOSS, source="\U0001f600" * 200)
    whole = said(inputs=[report] * limits.ANNOUNCED_INPUTS, losses=[loss] * limits.ANNOUNCED_LOSSES)
    body = encode(whole)
    assert len(body) <= limits.ANNOUNCEMENT_BYTES
    kept = decode(body)
    assert 0 < len(kept.inputs) < limits.ANNOUNCED_INPUTS
    assert 0 < len(kept.losses) < limits.ANNOUNCED_LOSSES


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (Files(paths=["/a", "/b"]), "/a, /b"),
        (Files(paths=["/a\x1b[2J"]), "/a?[2J"),
        (inputs.JournalInput(units=["ssh.service"]), "ssh.service"),
        (inputs.RestInput(url="https://me:pw@api.shop/v1?key=pw"), "api.shop/v1"),
        (inputs.PrometheusInput(targets=["http://u:pw@h:9/metrics"]), "h:9/metrics"),
        (inputs.CommandInput(command=["backup", "--password=pw"]), "backup"),
        (inputs.HostInput(), ""),
    ],
)
def test_an_input_is_named_without_secrets(entry: inputs.AnyInput, expected: str) -> None:
    assert named(entry) == expected


def test_lag_is_what_is_there_and_not_read(tmp_path: Path) -> None:
    entry = Files(paths=["/a", "/b"])
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    file = TailedFile(str(path), "1:2", entry, Mark(str(path), offset=2), now_s=10.0)
    activity = Activity([entry])
    activity.measure([file], [], now_s=17.0)
    (report,) = activity.reports()
    assert (report.files, report.lag_bytes, report.lag_s) == (1, 3, 7.0)
    status = path.stat()
    file.seen = (status.st_size, status.st_mtime_ns)  # an unfinished line is not behind
    activity.measure([file], [], now_s=18.0)
    (report,) = activity.reports()
    assert (report.lag_bytes, report.lag_s) == (0, 0.0)


def test_agents_that_are_told_the_same_have_the_same_fingerprint(tmp_path: Path) -> None:
    def fingerprint(**agent: Any) -> str:
        config = configuration.Config()
        for name, value in agent.items():
            setattr(config.agent, name, value)
        return configuration.fingerprint(config)

    entry = inputs.RestInput(url="http://h", headers={"Authorization": "one"})
    other = inputs.RestInput(url="http://h", headers={"Authorization": "two"})
    assert fingerprint(token="a", inputs=[entry]) == fingerprint(token="b", inputs=[other])
    assert fingerprint(zone="a") != fingerprint(zone="b")
    assert fingerprint() != fingerprint(inputs=[entry])


def test_identifiers_that_no_gateway_would_take_leave_the_machines_out_first(
    tmp_path: Path, log_file: Path
) -> None:
    taken: list[Frame] = []

    def judge(found: list[Frame]) -> int:
        taken.extend(frames.decode(frames.encode(found)))  # as a gateway checks it
        return 200

    gateway = FakeGateway(judge)
    log_file.write_bytes(b"a\n" * 50_000)
    machine = {f"machine.{number}": "x" * 250 for number in range(40)}
    chosen = settings(tmp_path, gateway.url, resource=machine)
    agent, metrics = start(chosen)
    assert gateway.wait(lambda: len(gateway.lines()) == 50_000)
    agent.stop(5.0)
    resource = taken[0].header.resource
    assert resource["log.file.path"] == str(log_file)
    assert 0 < sum(name.startswith("machine.") for name in resource) < 40
    assert metrics.get("tailrace_agent_repaired_total", "attributes") > 0
    assert metrics.get("tailrace_agent_frames_rejected_total") == 0
    gateway.close()


def test_every_row_says_the_threshold_its_application_logs_at(
    tmp_path: Path, log_file: Path, gateway: FakeGateway
) -> None:
    log_file.write_bytes(b"one\n")
    entry = Files(paths=[str(log_file)], threshold="warn")
    agent, _ = start(settings(tmp_path, gateway.url, inputs=[entry]))
    assert gateway.wait(lambda: bool(gateway.taken))
    agent.stop(5.0)
    (frame,) = gateway.taken.values()
    assert frame.header.resource["log.threshold"] == "warn"
