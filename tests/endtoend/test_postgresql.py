"""A server and its gateway with one control store, in PostgreSQL."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from credentials import COMMAND, REVOKED_S, Tokens, bearer
from running import Server
from servers import Postgresql, postgresql_server

PASSWORD = "sesame-0815"


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Postgresql]:
    with postgresql_server() as server:
        server.do(f"CREATE ROLE tailrace LOGIN PASSWORD '{PASSWORD}'", check=True)
        for name in ("control", "empty"):
            server.do(f"CREATE DATABASE {name} OWNER tailrace", check=True)
        yield server


@pytest.fixture
def pair(tmp_path: Path, postgresql: Postgresql) -> Iterator[tuple[Server, Server, Tokens]]:
    """A server that asks everyone for a token, a gateway before it, and their one set of tokens."""
    (tmp_path / "password").write_text(PASSWORD + "\n")
    shared = {
        "TAILRACE_SERVER__AUTH": "required",
        "TAILRACE_SERVER__CONTROL": f"postgresql://tailrace@127.0.0.1:{postgresql.port}/control",
        "TAILRACE_SERVER__CONTROL_PASSWORD_FILE": str(tmp_path / "password"),
        "TAILRACE_GUARD__MASTER_KEY_ENV": "MASTER_KEY",
        "MASTER_KEY": "5a" * 32,
    }
    server, gateway = (Server(tmp_path / name, **shared) for name in ("server", "gateway"))
    tokens = Tokens(server)
    (tmp_path / "relay").write_text(tokens.create("default", "ingest", "relay"))
    gateway.command = "gateway"
    gateway.environment |= {
        "TAILRACE_GATEWAY__UPSTREAM": f'["http://127.0.0.1:{server.port}"]',
        "TAILRACE_GATEWAY__TOKEN_FILE": str(tmp_path / "relay"),
    }
    for one in (server, gateway):
        one.home.mkdir()
    try:
        for one in (server, gateway):
            one.start()
        yield server, gateway, tokens
    finally:
        for one in (server, gateway):
            one.kill()


def sent(server: Server, secret: str) -> int:
    path = "/ingest/lines?service=s"
    return server.request("POST", path, b"hello\n", bearer(secret)).status


def answered(servers: tuple[Server, ...], secret: str, status: int) -> None:
    for one in servers:
        one.until(lambda one=one: sent(one, secret) == status, f"answered {status}", REVOKED_S)


def test_a_token_is_good_and_revoked_at_all_who_share_the_database(
    pair: tuple[Server, Server, Tokens], postgresql: Postgresql
) -> None:
    *both, tokens = pair
    server, gateway = both
    secret = tokens.create("shop", "ingest")
    answered((server, gateway), secret, 200)

    postgresql.stop()
    assert [sent(one, secret) for one in both] == [200, 200]
    done = subprocess.run(
        [COMMAND, "token", "list"], env=server.environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "Connection refused" in done.stderr
    for one in both:
        one.until(lambda one=one: "those that are known stay valid" in one.log(), "told")
    postgresql.start()

    tokens.revoke(secret)
    answered((server, gateway), secret, 401)
    assert not (server.data / "control").exists()
    for one in both:
        assert one.stop() == 0
    files = [path for one in both for path in one.home.rglob("*") if path.is_file()]
    assert not [path for path in files if PASSWORD.encode() in path.read_bytes()]


def test_processes_that_find_no_tables_at_once_all_succeed(
    tmp_path: Path, postgresql: Postgresql
) -> None:
    server = Server(tmp_path, TAILRACE_SERVER__CONTROL=postgresql.uri("empty"))
    words = [COMMAND, "token", "create", "--scope", "ingest", "--name", "x"]
    makers = [
        subprocess.Popen(words, env=server.environment, stdout=subprocess.DEVNULL) for _ in range(4)
    ]
    assert [one.wait(60) for one in makers] == [0, 0, 0, 0]
    assert Tokens(server).run("list").count("active") == 4
