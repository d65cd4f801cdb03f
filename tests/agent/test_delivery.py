"""Agents and their gateways: failing over, coming home, proving who they are."""

from __future__ import annotations

import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeGateway
from spooled import SOURCE, entry
from test_agent import settings

from tailrace.agent.agent import Agent
from tailrace.agent.delivery.losses import Losses
from tailrace.agent.delivery.pacing import Pace, Pacing
from tailrace.agent.delivery.rejected import Rejected
from tailrace.agent.delivery.shipper import Shipper
from tailrace.agent.delivery.spool import Spool
from tailrace.core.clock import ManualClock, SystemClock
from tailrace.core.errors import ConfigError
from tailrace.core.frame import Lane
from tailrace.core.metrics import Metrics
from tailrace.ship.credentials import Tls, Token
from tailrace.ship.gateways import Gateway, Gateways, targets
from tailrace.ship.sender import Later, Sender


@pytest.fixture
def other() -> Iterator[FakeGateway]:
    found = FakeGateway()
    yield found
    found.close()


ANY_PACE = Pace()


class Bench:
    """A shipper without a thread."""

    def __init__(self, home: Path, chosen: list[Gateway | str], pace: Pace = ANY_PACE) -> None:
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.losses = Losses(home, self.metrics)
        self.spool = Spool(home / "spool", 1 << 24, self.metrics, self.losses, self.clock)
        found = Gateways(targets(chosen), self.clock, SOURCE, "eu-1a")
        self.sender = Sender(found, Token("secret"), Tls())
        self.shipper = Shipper(
            self.spool,
            self.sender,
            Pacing(pace, SOURCE, self.clock),
            Rejected(home / "rejected", self.metrics, self.losses, self.clock),
            self.clock,
            self.metrics,
            0.01,
        )
        self.shipper.stop.wait = self.wait  # type: ignore[method-assign, assignment]
        self.waited = 0

    def wait(self, seconds: float) -> bool:
        self.waited += 1
        assert self.waited < 1_000
        self.clock.advance(seconds)
        return False

    def add(self, lane: Lane, size: int = 400) -> None:
        self.spool.append([entry(self.spool.next_entry, lane=lane, size=size)])


Start = Callable[..., Bench]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Start]:
    made: list[Bench] = []

    def of(*words: Any) -> Bench:
        made.append(Bench(tmp_path, *words))
        return made[-1]

    yield of
    for bench in made:
        bench.sender.close()
        bench.spool.close()


def near_and_far(near: FakeGateway, far: FakeGateway) -> list[Gateway | str]:
    return [Gateway(far.url, "us-1a"), Gateway(near.url, "eu-1a")]


def lanes(gateway: FakeGateway) -> list[Lane]:
    return [frame.header.lane for frame in gateway.taken.values()]


@pytest.fixture(autouse=True)
def payloads_that_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The frames of spooled.py are not worth unpacking."""
    from tailrace.wire import frames

    decode = frames.decode
    monkeypatch.setattr(frames, "decode", lambda body: decode(body, check_payloads=False))


def test_a_gateway_that_fails_is_left_at_once_and_returned_to_when_it_is_ready(
    begin: Start, gateway: FakeGateway, other: FakeGateway
) -> None:
    bench = begin(near_and_far(gateway, other))
    bench.add(Lane.BOTH)
    bench.shipper.round()
    assert (len(gateway.taken), len(other.taken)) == (1, 0)
    gateway.judge, gateway.ready = lambda found: 500, 503
    for _ in range(3):
        bench.add(Lane.BOTH)
        bench.shipper.round()
    assert bench.clock.monotonic_s() == 0  # no backoff
    assert len(other.taken) == 3
    for _ in range(10):
        bench.clock.advance(31)
        bench.add(Lane.BOTH)
        bench.shipper.round()
    assert len(other.taken) == 13
    gateway.judge, gateway.ready = lambda found: 200, 200
    bench.clock.advance(31)
    bench.add(Lane.BOTH)
    bench.shipper.round()
    assert (len(gateway.taken), len(other.taken)) == (2, 13)


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured_where_there_is_no_equal(
    begin: Start, gateway: FakeGateway, other: FakeGateway, status: int
) -> None:
    bench = begin(near_and_far(gateway, other))
    gateway.judge, gateway.retry_after = lambda found: status, "7"
    with pytest.raises(Later) as caught:
        bench.sender.send([b"TRF1", entry(1).frame])
    assert 7 <= caught.value.wait_s <= 8
    assert other.requests == 0


def test_bulk_is_sent_after_what_is_hot_and_does_not_hold_it_up(
    begin: Start, gateway: FakeGateway
) -> None:
    bench = begin([gateway.url])
    bench.add(Lane.BULK)
    bench.add(Lane.HOT)
    bench.shipper.round()
    assert lanes(gateway) == [Lane.HOT]
    gateway.judge, gateway.retry_after = lambda found: 503, "5"
    assert bench.shipper.round()
    assert not bench.shipper.round()  # it waits for the time the gateway asked for
    assert bench.spool.read(1 << 20, 9, Lane.BULK)  # and is not in flight meanwhile
    bench.spool.rewind(Lane.BULK)
    gateway.judge = lambda found: 200
    bench.add(Lane.HOT)
    bench.shipper.round()
    assert lanes(gateway) == [Lane.HOT, Lane.HOT]
    assert bench.clock.monotonic_s() == 0  # what is hot has not waited for it
    bench.clock.advance(7)
    bench.shipper.round()
    assert lanes(gateway)[-1] is Lane.BULK
    assert bench.spool.acked_bulk == bench.spool.next_entry


def test_bulk_keeps_to_its_rate_and_hot_has_none(begin: Start, gateway: FakeGateway) -> None:
    bench = begin([gateway.url], Pace(rate=10_000))
    for _ in range(20):
        bench.add(Lane.BULK, 9_000)
        bench.add(Lane.HOT, 9_000)
    while bench.spool.acked < bench.spool.next_entry:
        assert bench.shipper.round()
    assert lanes(gateway).count(Lane.HOT) == 20
    assert bench.clock.monotonic_s() == 0
    while bench.spool.acked_bulk < bench.spool.next_entry:
        if not bench.shipper.round():
            bench.clock.advance(0.1)
    assert lanes(gateway).count(Lane.BULK) == 20
    assert 15 < bench.clock.monotonic_s() < 20


def test_a_refused_frame_is_a_loss(begin: Start, gateway: FakeGateway) -> None:
    bench = begin([gateway.url])
    gateway.judge = lambda found: 413
    bench.add(Lane.BOTH)
    bench.shipper.round()
    (lost,) = bench.losses.pending()
    assert (lost.reason, lost.rows, lost.first_seq) == ("refused", 1, 1)
    assert bench.metrics.get("tailrace_agent_dropped_total", "refused") == 1
    assert bench.spool.acked == 2


def test_a_token_is_read_again_when_its_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first\n")
    token = Token("", str(path))
    assert token.header() == "Bearer first"
    path.write_text("second-one")
    assert token.header() == "Bearer second-one"
    for damage in ("", "two\nlines", "naïve"):
        path.write_text(damage)
        assert token.header() == "Bearer second-one"
    path.unlink()
    assert token.header() == "Bearer second-one"
    path.write_text("third")
    assert token.header() == "Bearer third"


def test_a_token_that_cannot_be_sent_is_refused_and_not_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"agent\.token: ") as caught:
        Token("open\r\nX-Evil: sesame")
    assert "sesame" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"agent\.token_file: "):
        Token("", str(tmp_path / "none"))


def openssl(*words: str, cwd: Path) -> None:
    subprocess.run(["openssl", *words], cwd=cwd, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ca.pem, and server.pem and client.pem with their keys, which it signed."""
    home = tmp_path_factory.mktemp("tls")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    ca = ("-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test ca")
    openssl("req", *ca, "-days", "2", cwd=home)
    (home / "names").write_text("subjectAltName=IP:127.0.0.1")
    for name in ("server", "client"):
        request = (*key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl("req", *request, cwd=home)
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2")
        files = ("-in", f"{name}.csr", "-out", f"{name}.pem", "-extfile", "names")
        openssl("x509", "-req", *files, *signed, cwd=home)
    return home


@pytest.fixture
def secure(certificates: Path) -> Iterator[FakeGateway]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    context.load_verify_locations(certificates / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    found = FakeGateway(tls=context)
    yield found
    found.close()


def send(secure: FakeGateway, tls: Tls) -> None:
    sender = Sender(Gateways(targets([secure.url]), SystemClock()), Token(""), tls)
    try:
        for _ in range(2):
            sender.send([b"TRF1", entry(1).frame])
    finally:
        sender.close()


def test_both_sides_prove_themselves_over_tls(secure: FakeGateway, certificates: Path) -> None:
    files = [str(certificates / name) for name in ("ca.pem", "client.pem", "client.key")]
    send(secure, Tls(*files))
    assert len(secure.taken) == 1
    assert secure.requests == 2


@pytest.mark.parametrize("names", [("", "client.pem", "client.key"), ("ca.pem", "", "")])
def test_nothing_is_sent_to_or_by_a_stranger(
    secure: FakeGateway, certificates: Path, names: tuple[str, ...]
) -> None:
    files = [str(certificates / name) if name else "" for name in names]
    with pytest.raises(Later):
        send(secure, Tls(*files))
    assert secure.requests == 0


def test_new_certificates_need_no_restart(
    secure: FakeGateway, certificates: Path, tmp_path: Path
) -> None:
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes((certificates / "server.pem").read_bytes())
    files = [str(certificates / name) for name in ("client.pem", "client.key")]
    tls = Tls(str(trusted), *files)
    before = tls.context()
    assert tls.context() is before
    trusted.write_text("nonsense")
    assert tls.context() is before
    trusted.write_bytes((certificates / "ca.pem").read_bytes())
    assert tls.context() is not before
    send(secure, tls)
    assert secure.requests == 2


def test_an_agent_whose_certificates_are_missing_does_not_start(tmp_path: Path) -> None:
    chosen = settings(tmp_path, "https://127.0.0.1:1", tls_ca=str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="tls_ca"):
        Agent(chosen, SystemClock(), Metrics())


def test_an_agent_without_https_carries_no_ssl() -> None:
    code = "import tailrace.agent.agent, sys; print('ssl' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert found.stdout.strip() == b"False"
