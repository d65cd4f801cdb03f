"""Live tail of a real server: quick, for any number of followers, and nobody else's burden."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from running import Server, Start
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

FOLLOWERS = 200
WAIT_S = 30.0
NDJSON = "application/x-ndjson"


def url(server: Server, service: str, **asked: object) -> str:
    more = "".join(f"&{name}={value}" for name, value in asked.items())
    query = quote(f'{{service_name="{service}"}}')
    return f"ws://127.0.0.1:{server.port}/loki/api/v1/tail?query={query}{more}"


def post(server: Server, service: str, *lines: str) -> None:
    rows = [json.dumps({"service": service, "body": line}) for line in lines]
    answer = server.post("/ingest/records", "\n".join(rows).encode(), content_type=NDJSON)
    assert answer.status == 200, answer


def lines_of(message: dict[str, Any]) -> list[str]:
    entries = [entry for stream in message["streams"] for entry in stream["values"]]
    return [entry[1] for entry in sorted(entries, key=lambda entry: int(entry[0]))]


def receive(follower: ClientConnection) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(follower.recv(timeout=WAIT_S))
    return found


def lines(follower: ClientConnection, last: str) -> list[str]:
    """Lines up to and with `last`."""
    found: list[str] = []
    while last not in found:
        found += lines_of(receive(follower))
    return found


def narrow(server: Server) -> socket.socket:
    """A connection whose client holds little that it has not read."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    made.connect(("127.0.0.1", server.port))
    return made


def seen_by(server: Server, follower: ClientConnection, service: str, line: str = "end") -> int:
    """Send a line until it is seen: right after a flood it may be one too many. How many were."""
    for count in range(1, 60):
        post(server, service, line)
        with suppress(TimeoutError):
            while line not in lines_of(json.loads(follower.recv(timeout=0.5))):
                pass
            return count
    raise AssertionError("not seen")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    one = Server(tmp_path_factory.mktemp("tail"), TAILRACE_QUEUE__SEGMENT_SIZE="1MiB")
    one.start()
    yield one
    one.kill()


@pytest.fixture(autouse=True)
def left(server: Server) -> Iterator[None]:
    """When the last follower is gone, nothing is decoded any more."""
    yield
    server.until(lambda: server.metric("tailrace_tail_followers") == 0, "left")
    before = server.metric("tailrace_tail_rows_total")
    post(server, "nobody", "follows")
    stored = server.metric("tailrace_writer_rows_total")
    server.until(lambda: server.metric("tailrace_writer_rows_total") >= stored, "stored")
    assert server.metric("tailrace_tail_rows_total") == before


def test_two_hundred_followers_get_each_line_and_it_is_decoded_once(server: Server) -> None:
    with ExitStack() as stack, ThreadPoolExecutor(20) as pool:
        opening = [pool.submit(connect, url(server, "crowd", limit=0)) for _ in range(FOLLOWERS)]
        followers = [stack.enter_context(one.result()) for one in opening]
        assert server.metric("tailrace_tail_queries") == 1
        decoded = server.metric("tailrace_tail_rows_total")
        for n in range(3):
            post(server, "crowd", f"line {n}")
            for one in followers:
                assert lines(one, f"line {n}") == [f"line {n}"]
        assert server.metric("tailrace_tail_rows_total") == decoded + 3
        # All at once: who closes one after another waits for each.
        list(pool.map(lambda one: one.close(), followers))


def test_history_and_what_is_live_are_one_without_gap_or_repetition(server: Server) -> None:
    """Followers that come at any moment of a steady stream of lines."""
    sent = 0
    with ExitStack() as stack:
        followers = []
        for _ in range(12):
            for _ in range(7):
                post(server, "steady", str(sent), str(sent + 1))
                sent += 2
            where = url(server, "steady", limit=5000)
            followers.append(stack.enter_context(connect(where)))
        post(server, "steady", "end")
        for one in followers:
            found = lines(one, "end")
            assert sorted(found[:-1], key=int) == [str(n) for n in range(sent)]


def test_a_follower_that_does_not_read_is_told_what_it_lost_and_holds_up_nobody(
    server: Server,
) -> None:
    body = "x" * 20_000
    with connect(url(server, "flood", limit=0), sock=narrow(server), max_queue=1) as slow:
        sent = 0
        while not server.metric("tailrace_tail_dropped_total", "slow"):
            post(server, "flood", *(f"{sent + n} {body}" for n in range(40)))
            sent += 40
        with connect(url(server, "end", limit=0)) as quick:
            ends = seen_by(server, quick, "end")
        with connect(url(server, "flood", limit=0)) as quick:
            ends += seen_by(server, quick, "flood", "-1 end")
        found, dropped, told = list[int](), 0, list[Any]()
        while -1 not in found:
            message = receive(slow)
            dropped += message.get("dropped_lines", 0)
            told += message["dropped_entries"]
            found += [int(line.split()[0]) for line in lines_of(message)]
        numbers = [one for one in found if one >= 0]
        assert numbers == sorted(numbers)
        # A line that ends it may be too many, too.
        assert sent <= len(numbers) + dropped <= sent + ends
        assert any(one["labels"].get("service_name") == "flood" for one in told)
        assert all(one["timestamp"].isdigit() for one in told)


def test_followers_that_are_killed_are_let_go(server: Server) -> None:
    code = (
        "import sys, time\n"
        "from websockets.sync.client import connect\n"
        "held = [connect(sys.argv[1]) for _ in range(10)]\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    command = [sys.executable, "-c", code, url(server, "killed", limit=0)]
    with connect(url(server, "killed", limit=0)) as survivor:
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
            post(server, "killed", "before")
            os.kill(process.pid, signal.SIGKILL)
        post(server, "killed", "after")
        assert lines(survivor, "after") == ["before", "after"]
        server.until(lambda: server.metric("tailrace_tail_followers") == 1, "let go")


def test_a_follower_that_does_not_read_holds_no_segment_of_the_queue(server: Server) -> None:
    with connect(url(server, "idle", limit=0), max_queue=1, close_timeout=0.1):
        noise = os.urandom(150_000).hex()
        for n in range(20):
            post(
                server, "idle", *(f"{n} {noise[i : i + 60_000]}" for i in range(0, 300_000, 60_000))
            )

        def reclaimed() -> bool:
            # What came is counted in the ledger once a minute, or when it is asked for; until then
            # the queue holds it.
            server.get("/api/v1/ledger")
            return server.metric("tailrace_queue_bytes") < 2_000_000

        server.until(reclaimed, "reclaimed")


def test_what_is_wrong_is_refused_before_the_upgrade(server: Server) -> None:
    for words, said in (("query=%7B", "1:2"), ("query=%7Ba%3D%22b%22%7D&delay_for=9", "delay_for")):
        where = f"ws://127.0.0.1:{server.port}/loki/api/v1/tail?{words}"
        with pytest.raises(InvalidStatus) as refused, connect(where):
            pass
        assert refused.value.response.status_code == 400
        assert said in bytes(refused.value.response.body).decode()


def test_a_client_that_sends_much_is_closed(server: Server) -> None:
    with connect(url(server, "chatty", limit=0)) as follower:
        follower.send("x" * 100_000)
        with pytest.raises(ConnectionClosed) as closed:
            follower.recv(timeout=WAIT_S)
        assert closed.value.rcvd
        assert closed.value.rcvd.code == 1009


@contextmanager
def following(server: Server, *words: str) -> Iterator[subprocess.Popen[str]]:
    """`tailrace tail` beside the server."""
    command = [str(Path(sys.executable).with_name("tailrace")), "tail", *words]
    command += ["--url", f"http://127.0.0.1:{server.port}", "--output", "ndjson"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, env=server.environment
    ) as process:
        yield process
        process.kill()


def test_the_command_goes_on_after_a_restart_and_repeats_nothing(start: Start) -> None:
    server = start()
    with following(server, '{service_name="shop"}') as process:
        assert process.stdout
        assert process.stderr
        server.until(lambda: server.metric("tailrace_tail_followers") == 1, "followed")
        post(server, "shop", "one", "two")
        found = [json.loads(process.stdout.readline())["line"] for _ in range(2)]
        server.kill()
        assert "connecting again" in process.stderr.readline()
        server.start()
        post(server, "shop", "three")
        found.append(json.loads(process.stdout.readline())["line"])
        assert found == ["one", "two", "three"]


def test_a_stop_ends_followers_with_its_code_and_soon(start: Start) -> None:
    server = start()
    with connect(url(server, "x", limit=0)) as follower:
        assert server.process
        server.process.send_signal(signal.SIGINT)
        with pytest.raises(ConnectionClosed) as closed:
            follower.recv(timeout=WAIT_S)
        assert closed.value.rcvd
        assert closed.value.rcvd.code == 1012
        assert server.process.wait(WAIT_S) == 0
