"""The slow log of a real Redis server, and what a server that is none says."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from answering import unused_port
from hypothesis import given
from hypothesis import strategies as st

from tailrace.agent.checkpoints import Mark, State
from tailrace.agent.feeds.feeders import feeders
from tailrace.agent.feeds.redis import Redis, RedisError
from tailrace.agent.feeds.slowlog import Entry, SlowLog, record
from tailrace.agent.inputs import RedisInput
from tailrace.agent.settings import AgentSettings
from tailrace.core import limits
from tailrace.core.units import Seconds
from tailrace.wire import records

needed = pytest.mark.skipif(
    shutil.which("redis-server") is None,
    reason="redis-server is not installed: see scripts/system-packages.sh",
)


class Server:
    """A server of our own, whose slow log takes every command."""

    def __init__(self, directory: Path) -> None:
        self.port = unused_port()
        self.directory = directory
        self.options: list[str] = []
        self.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        words = f"--port {self.port} --bind 127.0.0.1 --save '' --appendonly no --dir".split()
        words = [word.strip("'") for word in words]
        self._child = subprocess.Popen(
            ["redis-server", *words, str(self.directory), *self.options],
            stdout=subprocess.DEVNULL,
        )
        deadline_s = time.monotonic() + 10.0
        while time.monotonic() < deadline_s:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1.0).close()
                return
            except OSError:
                time.sleep(0.02)
        raise AssertionError("redis-server did not start")

    def ask(self, *words: str) -> Any:
        with Redis("127.0.0.1", self.port, 5.0) as server:
            return server.ask(*words)

    def slow(self, *commands: tuple[str, ...]) -> None:
        """Only these are in the slow log, not the questions about it."""
        with Redis("127.0.0.1", self.port, 5.0) as server:
            server.ask("CONFIG", "SET", "slowlog-log-slower-than", "0")
            for words in commands:
                server.ask(*words)
            server.ask("CONFIG", "SET", "slowlog-log-slower-than", "-1")

    def stop(self) -> None:
        self._child.kill()
        self._child.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    found = Server(tmp_path)
    found.slow()
    found.ask("SLOWLOG", "RESET")
    yield found
    found.stop()


def rows(slow: SlowLog) -> tuple[list[dict[str, Any]], Mark]:
    """Records but those of the server's own settings, and the mark after them."""
    fetched = slow.fetch()
    assert fetched.failure == ""
    found: list[dict[str, Any]] = []
    mark = Mark("")
    for batch in fetched.batches:
        records.check(batch.data)
        found += map(json.loads, batch.data.splitlines())
        mark = batch.mark
    return [row for row in found if not row["body"].startswith("CONFIG")], mark


@needed
def test_a_slow_command_becomes_a_record(server: Server) -> None:
    server.slow(("SET", "user 7", "x\ny"), ("get", "user 7"))
    slow = SlowLog(RedisInput(address=server.address), Mark("redis"))
    (first, second), mark = rows(slow)
    assert first["body"] == 'SET "user 7" "x\\ny"'
    assert first["severity"] == "warn"
    assert abs(first["time"] / 1e9 - time.time()) < 60
    known = first["attributes"]
    assert known["db.system.name"] == "redis"
    assert (known["db.operation.name"], known["db.query.text"]) == ("SET", "SET ? ?")
    assert known["client.address"] == "127.0.0.1"
    assert float(known["duration_ms"]) >= 0
    assert second["attributes"]["db.query.text"] == "GET ?"
    assert mark.cursor.split(":")[0] == second["attributes"]["redis.slowlog.id"]
    assert rows(slow)[0] == []


@needed
def test_an_agent_that_starts_again_repeats_nothing(server: Server) -> None:
    source = RedisInput(address=server.address)
    server.slow(("PING",))
    _, mark = rows(SlowLog(source, Mark("redis")))
    server.slow(("ECHO", "new"))
    found, _ = rows(SlowLog(source, mark))
    assert [row["body"] for row in found] == ["ECHO new"]


@needed
def test_a_server_that_starts_again_counts_anew_and_nothing_is_missed(server: Server) -> None:
    slow = SlowLog(RedisInput(address=server.address), Mark("redis"))
    server.slow(*[("PING",)] * 20)
    assert len(rows(slow)[0]) == 20
    server.stop()
    assert slow.fetch().failure == "Connection refused"
    server.start()
    server.slow(("ECHO", "after"))
    assert [row["body"] for row in rows(slow)[0]] == ["ECHO after"]
    assert rows(slow)[0] == []


@needed
def test_entries_that_went_before_they_were_read_are_counted(server: Server) -> None:
    slow = SlowLog(RedisInput(address=server.address), Mark("redis"))
    server.ask("CONFIG", "SET", "slowlog-max-len", "1000")
    server.slow(("PING",))
    rows(slow)
    server.slow(*[("PING",)] * 200)
    (batch,) = slow.fetch().batches
    assert batch.rows == 128
    assert batch.dropped == {"missed": 1 + 200 - 128}  # the one is our own setting


@needed
def test_a_password_is_given_and_never_repeated(server: Server, tmp_path: Path) -> None:
    server.ask("ACL", "SETUSER", "reader", "on", ">example-word", "+slowlog|get")
    file = tmp_path / "password"
    file.write_text("example-word\n")
    source = RedisInput(address=server.address, username="reader", password_file=str(file))
    assert SlowLog(source, Mark("redis")).fetch().failure == ""
    file.write_text("another-word\n")
    assert SlowLog(source, Mark("redis")).fetch().failure == "server answers WRONGPASS"
    server.ask("ACL", "SETUSER", "default", "off")
    unnamed = RedisInput(address=server.address)
    assert SlowLog(unnamed, Mark("redis")).fetch().failure == "server answers NOAUTH"


@needed
def test_the_place_is_kept_under_a_key_of_the_state(server: Server) -> None:
    server.slow(("PING",))
    source = RedisInput(address=server.address, interval=Seconds("1s"))
    settings = AgentSettings([source], "unused", [])
    state = State("agent", 1)
    (feeder,) = feeders(settings, state, lambda: None)
    feeder.run()  # type: ignore[attr-defined]
    piece = feeder.intake.read(1 << 20, 0.0, hurry=True)
    assert piece is not None
    assert piece.resource["service.name"] == "redis"
    state.cover(feeder.intake.key, piece.after)
    assert list(state.cursors.values()) == [piece.after]
    (again,) = feeders(settings, state, lambda: None)
    again.run(2)  # type: ignore[attr-defined]
    counted = again.intake.read(1 << 20, 0.0, hurry=True)
    assert counted is not None
    assert (counted.rows, counted.dropped, counted.after) == (0, {"late": 2}, piece.after)


def test_a_long_command_is_known_by_how_many_arguments_it_had() -> None:
    def attributes(*words: str, arity: int) -> dict[str, str]:
        entry = Entry(1, 1_700_000_000, 1500, list(words), arity, "[::1]:4000")
        line = record(entry)
        records.check(line)
        found: dict[str, str] = json.loads(line)["attributes"]
        return found

    first = attributes("mset", "a", "b", arity=101)
    assert first["db.query.text"] == "MSET" + " ?" * 32 + " ..."
    assert first["duration_ms"] == "1.500"
    assert (first["client.address"], first["client.port"]) == ("::1", "4000")
    assert (
        attributes("MSET", "c", "d", arity=101)["db.query.fingerprint"]
        == (first["db.query.fingerprint"])
    )
    assert attributes("MSET", "a", arity=2)["db.query.fingerprint"] != first["db.query.fingerprint"]


@given(st.lists(st.text(max_size=300), max_size=40))
def test_any_command_is_a_record(words: list[str]) -> None:
    line = record(Entry(1, 1_700_000_000, 1, words, len(words), ""))
    assert line.count(b"\n") == 1
    records.check(line)


def answered(reply: bytes) -> str:
    """What is said of a server that answers so."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.settimeout(5.0)
                connection.recv(1000)
                try:
                    connection.sendall(reply)
                    connection.recv(1000)
                except OSError:
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        source = RedisInput(
            address=f"127.0.0.1:{listening.getsockname()[1]}", interval=Seconds("1s")
        )
        failure = SlowLog(source, Mark("redis")).fetch().failure
        thread.join()
    return failure


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "does not speak RESP"),
        (b"-ERR unknown command, with args beginning with: 'secret'\r\n", "server answers ERR"),
        (b"-secret!\r\n", "server answers an error"),
        (b"+OK\r\n", "answer is no slow log"),
        (b"*1\r\n*1\r\n:1\r\n", "answer is no slow log"),
        (b"*-1\r\n", "answer is no slow log"),
        (b"*1\r\n*4\r\n:1\r\n:99999999999999\r\n:1\r\n*0\r\n", "answer is no slow log"),
        (b"*%d\r\n" % (limits.SLOW_LOG_WORDS + 1), "not what was asked for"),
        (b"*1\r\n" * 100, "not what was asked for"),
        (b"$999999999999\r\n", "too large"),
        (b"$" + b"9" * 100 + b"\r\n", "does not speak RESP"),
        (b"x" * 10_000, "does not speak RESP"),
        (b"*1\r\n", "timed out"),
    ],
)
def test_a_server_that_is_none_is_a_failure(reply: bytes, why: str) -> None:
    failure = answered(reply)
    assert why in failure
    assert "secret" not in failure


def test_a_server_that_closes_is_a_failure() -> None:
    with pytest.raises(RedisError):
        Redis("127.0.0.1", unused_port(), 1.0)
