"""Who may enter the real server: tenants, scopes, revocation, TLS, and refused starts."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from credentials import REVOKED_S, Tokens, bearer
from elasticsearch import AuthenticationException, Elasticsearch, UnsupportedProductError
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from running import Server
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

sys.path.insert(0, str(Path(__file__).parents[1] / "app"))

from certificates import authority, signed

COMMAND = Path(sys.executable).with_name("tailrace")
LINES = '{service_name=~".+"}'


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Tokens]]:
    """A server on loopback that asks everyone; its operator's token goes with each request."""
    server = Server(tmp_path_factory.mktemp("access"), TAILRACE_SERVER__AUTH="required")
    tokens = Tokens(server)
    server.headers = bearer(tokens.create("default", "query", "admin"))
    try:
        server.start()
        yield server, tokens
    finally:
        server.kill()


def status(
    server: Server, secret: str, method: str = "GET", path: str = "", body: bytes = b""
) -> int:
    asked = path or f"/loki/api/v1/query_range?query={quote(LINES)}"
    return server.request(method, asked, body or None, bearer(secret)).status


def within(server: Server, seconds: float, secret: str, wanted: int) -> None:
    server.until(lambda: status(server, secret) == wanted, f"answered {wanted}", seconds)


def found(server: Server, secret: str) -> list[str]:
    """Bodies of all lines that this token shows."""
    path = f"/loki/api/v1/query_range?query={quote(LINES)}&limit=100"
    answer = server.request("GET", path, None, bearer(secret))
    assert answer.status == 200, answer
    streams = answer.json()["data"]["result"]
    return sorted(value[1] for stream in streams for value in stream["values"])


def test_a_token_sees_and_sends_only_what_is_its_tenants(started: tuple[Server, Tokens]) -> None:
    server, tokens = started
    one, two = (tokens.create(tenant, "ingest", "query") for tenant in ("one", "two"))
    within(server, REVOKED_S, two, 200)
    for secret, line in ((one, b"from one\n"), (two, b"from two\n")):
        assert status(server, secret, "POST", "/ingest/lines?service=s", line) == 200
    server.until(lambda: found(server, one) == ["from one"], "stored")
    server.until(lambda: found(server, two) == ["from two"], "stored")
    for path in ("/loki/api/v1/label/service_name/values", "/api/v1/agents", "/api/v1/losses"):
        said = server.request("GET", path, None, bearer(one)).body.decode()
        assert "two" not in said
    assert all("from" not in line for line in found(server, server.headers["Authorization"][7:]))


def test_a_scope_is_asked_for_at_every_door(started: tuple[Server, Tokens]) -> None:
    server, tokens = started
    sender = tokens.create("shop", "ingest")
    reader = tokens.create("shop", "query")
    within(server, REVOKED_S, reader, 200)
    for path in (
        "/loki/api/v1/labels",
        "/api/v1/query?query=1",
        "/api/v1/agents",
        "/api/v1/findings",
        "/metrics",
    ):
        assert status(server, sender, path=path) == 403, path
    assert status(server, reader, path="/metrics") == 403
    for path in (
        "/ingest/lines",
        "/ingest/frames",
        "/loki/api/v1/push",
        "/v1/logs",
        "/agents/announce",
    ):
        assert status(server, reader, "POST", path, b"x") == 403, path
    for secret in (sender, reader):
        assert status(server, secret, path="/favicon.svg") == 200
    assert server.metric("tailrace_access_refused_total", "scope") >= 5
    assert server.metric("tailrace_ingest_rejected_total", "scope") >= 5


def test_a_revoked_token_is_out_within_seconds_and_its_live_tail_ends(
    started: tuple[Server, Tokens],
) -> None:
    server, tokens = started
    secret = tokens.create("shop", "query")
    within(server, REVOKED_S, secret, 200)
    url = f"ws://127.0.0.1:{server.port}/loki/api/v1/tail?query={quote(LINES)}"
    with connect(url, additional_headers=bearer(secret)) as socket:
        tokens.revoke(secret)
        within(server, REVOKED_S, secret, 401)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=REVOKED_S)
        assert closed.value.rcvd and closed.value.rcvd.code == 1008
    with pytest.raises(InvalidStatus), connect(url, additional_headers=bearer(secret)):
        pass


def test_an_expired_token_is_out(started: tuple[Server, Tokens]) -> None:
    server, tokens = started
    secret = tokens.create("shop", "query", expires="8s")
    within(server, REVOKED_S, secret, 200)
    within(server, 10.0, secret, 401)


def test_nobody_enters_without_and_readiness_is_open(started: tuple[Server, Tokens]) -> None:
    server, _ = started
    for secret in ("", "x", "tr_000000000000_" + "x" * 43):
        assert status(server, secret) == 401
    for path in ("/ready", "/health"):
        assert status(server, "", path=path) == 200


def test_stock_clients_prove_themselves_in_their_own_way(
    started: tuple[Server, Tokens], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, tokens = started
    secret = tokens.create("clients", "ingest", "query")
    within(server, REVOKED_S, secret, 200)
    address = f"http://127.0.0.1:{server.port}"
    headers = f"authorization=Bearer%20{secret}"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", headers)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    provider = LoggerProvider()
    provider.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter()))
    provider.get_logger("test").emit(LogRecord(body="from the SDK"))
    provider.shutdown()
    server.until(lambda: found(server, secret) == ["from the SDK"], "stored")
    for key in ((secret[:15], secret), secret):
        with Elasticsearch(address, api_key=key) as known, pytest.raises(UnsupportedProductError):
            known.perform_request("GET", "/loki/api/v1/labels")  # let in, to no Elasticsearch
    stranger = Elasticsearch(address, basic_auth=("elastic", "changeme"))
    with stranger, pytest.raises(AuthenticationException):
        stranger.perform_request("GET", "/loki/api/v1/labels")


def test_no_secret_is_in_a_log_or_in_the_data(started: tuple[Server, Tokens]) -> None:
    server, tokens = started
    assert tokens.secrets
    for path in server.home.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            for secret in tokens.secrets:
                assert secret[16:].encode() not in data, path


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"LISTEN": "0.0.0.0:0"}, "tailrace token create"),
        ({"LISTEN": "[::]:0"}, "server.listen"),
        ({"AUTH": "required"}, "server.auth"),
        ({"TOKEN_FILE": "HOME/empty"}, "server.token_file"),
        ({"TOKEN_FILE": "HOME/nowhere"}, "server.token_file"),
        ({"TLS_KEY": "HOME/empty"}, "server.tls_key"),
        ({"TLS_CLIENT_CA": "HOME/empty"}, "server.tls_client_ca"),
        ({"TLS_CERT": "HOME/empty"}, "server.tls_cert"),
        ({"TOKEN": "open sesame", "TLS_CERT": "HOME/nowhere"}, "server.tls_cert"),
    ],
)
def test_half_of_a_lock_is_a_refused_start(
    tmp_path: Path, environment: dict[str, str], words: str
) -> None:
    (tmp_path / "empty").write_text("\n")
    server = Server(tmp_path)
    chosen = {
        f"TAILRACE_SERVER__{key}": value.replace("HOME", str(tmp_path))
        for key, value in {"LISTEN": "127.0.0.1:0", **environment}.items()
    }
    server.environment |= chosen
    server.launch()
    assert server.process
    assert server.process.wait(60.0) == 2
    said = server.log()
    assert words in said
    assert "sesame" not in said
    assert said.count("\n") == 1


def test_an_open_address_starts_once_there_is_a_token(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.environment["TAILRACE_SERVER__LISTEN"] = f"0.0.0.0:{server.port}"
    secret = Tokens(server).create("default", "query")
    try:
        server.start()
        assert (status(server, ""), status(server, secret)) == (401, 200)
    finally:
        server.kill()


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[Server, str]]:
    """A server that wants a certificate and a token of everyone, and tails its own log."""
    authority(tmp_path)
    for name in ("server", "client", "renewed"):
        signed(tmp_path, name)
    files = {"CERT": "server.pem", "KEY": "server.key", "CLIENT_CA": "ca.pem"}
    own_log = tmp_path / "data" / "logs" / "tailrace.log"
    server = Server(
        tmp_path,
        TAILRACE_SERVER__AUTH="required",
        TAILRACE_AGENT__INPUTS=f"[{{paths=['{own_log}'], codec='records'}}]",
        **{f"TAILRACE_SERVER__TLS_{key}": str(tmp_path / name) for key, name in files.items()},
    )
    secret = Tokens(server).create("default", "query", "ingest", "admin")
    server.headers = bearer(secret)
    server.tls = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    server.tls.load_cert_chain(tmp_path / "client.pem", tmp_path / "client.key")
    try:
        server.start()
        yield server, secret
    finally:
        server.kill()


def test_mutual_tls_wants_a_certificate_and_a_token(secure: tuple[Server, str]) -> None:
    server, secret = secure
    assert status(server, secret, "POST", "/ingest/lines?service=s", b"hello\n") == 200
    assert status(server, "") == 401
    known, server.tls = server.tls, ssl.create_default_context(cafile=str(server.home / "ca.pem"))
    assert status(server, secret) == 0
    server.tls = None
    assert status(server, secret) == 0
    server.tls = known
    # The agent of the same process needs neither; its lines come from tailrace itself.
    server.until(lambda: any("started" in line for line in found(server, secret)), "own log")


def test_a_command_asks_over_tls(secure: tuple[Server, str]) -> None:
    server, secret = secure
    both = (server.home / "client.pem").read_text() + (server.home / "client.key").read_text()
    (server.home / "me.pem").write_text(both)
    (server.home / "token").write_text(secret + "\n")
    url = f"https://127.0.0.1:{server.port}"
    words = ["--url", url, "--token-file", "token", "--tls-ca", "ca.pem", "--tls-cert", "me.pem"]

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, *command], cwd=server.home, capture_output=True, text=True, env=os.environ
        )

    assert status(server, secret, "POST", "/ingest/lines?service=s", b"hello\n") == 200
    server.until(lambda: "hello" in run("query", "hello", *words).stdout, "found")
    assert json.loads(run("agents", "--format", "json", *words).stdout)["agents"]
    assert run("metrics", *words).returncode == 0
    assert run("query", "hello", *words[:-2]).returncode == 1
    tail = subprocess.Popen(
        [COMMAND, "tail", "again", *words], cwd=server.home, stdout=subprocess.PIPE, text=True
    )
    with tail:
        assert tail.stdout
        server.until(lambda: server.metric("tailrace_tail_followers") == 1, "followed")
        assert status(server, secret, "POST", "/ingest/lines?service=s", b"again\n") == 200
        assert "again" in tail.stdout.readline()
        tail.terminate()


def test_a_new_certificate_needs_no_restart(secure: tuple[Server, str]) -> None:
    server, _ = secure

    def serial() -> str:
        with connection_to(server) as plain:
            return str((plain.getpeercert() or {})["serialNumber"])

    before = serial()
    for kind in ("key", "pem"):
        (server.home / f"renewed.{kind}").replace(server.home / f"server.{kind}")
    began_s = time.monotonic()
    server.until(lambda: serial() != before, "the new certificate")
    assert time.monotonic() - began_s < 10


def connection_to(server: Server) -> ssl.SSLSocket:
    made = server.connection()
    made.connect()
    assert isinstance(made.sock, ssl.SSLSocket)
    return made.sock
