"""Gateways that answer badly, slowly or for ever."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from tailrace.core import limits
from tailrace.ship import connection
from tailrace.ship.connection import Answer, Closed, Connection, NoAnswer

Talk = Callable[[socket.socket], None]


@contextmanager
def listening(talk: Talk) -> Iterator[str]:
    """A server that reads a little of each request and then does as `talk` says."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                with peer:
                    try:
                        peer.recv(10_000)
                        talk(peer)
                    except OSError:
                        pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def say(*parts: bytes, every_s: float = 0.0) -> Talk:
    def talk(peer: socket.socket) -> None:
        for part in parts:
            peer.sendall(part)
            time.sleep(every_s)

    return talk


def forever(start: bytes, part: bytes, every_s: float = 0.0) -> Talk:
    def talk(peer: socket.socket) -> None:
        peer.sendall(start)
        while True:
            peer.sendall(part)
            time.sleep(every_s)

    return talk


def ask(url: str, answer_s: float = 2.0) -> Answer:
    found = Connection(urlsplit(url), None)
    try:
        return found.request("POST", "/x", {}, [b"body"], answer_s)
    finally:
        found.close()


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (OK + b"Content-Length: 0\r\n\r\n", Answer(200)),
        (b"HTTP/1.0 204 \r\n\r\n", Answer(204)),
        (b"HTTP/1.1 503 Busy\r\nretry-AFTER:  7 \r\n\r\n", Answer(503, 7.0)),
        (b"HTTP/1.1 429 X\r\nRetry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n\r\n", Answer(429)),
        (b"HTTP/1.1 503 X\r\nRetry-After: 99999999999999\r\n\r\n", Answer(503)),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"\r\n", Answer(200)),
        (OK + b"Content-Length: 50\r\n\r\ntoo short", Answer(200)),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Answer(200)),
    ],
)
def test_a_status_is_what_is_said_of_it(said: bytes, answer: Answer) -> None:
    with listening(say(said)) as url:
        assert ask(url) == answer


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"\xff" * 999 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"HTTP/1.1 102 Wait\r\n\r\n" * 99,
    ],
)
def test_nonsense_is_no_answer(said: bytes) -> None:
    with listening(say(said)) as url, pytest.raises((NoAnswer, ConnectionError)):
        ask(url)


def test_a_connection_that_ends_at_once_is_told_apart() -> None:
    with listening(lambda peer: None) as url, pytest.raises((Closed, ConnectionError)):
        ask(url)


def test_a_plain_connection_that_ends_at_once_is_told_where_tls_may_be() -> None:
    with (
        listening(lambda peer: None) as url,
        pytest.raises(Closed, match="address begins with https"),
    ):
        ask(url)


@pytest.mark.parametrize(
    "talk",
    [
        forever(OK, b"X: y\r\n", 0.01),
        forever(b"", b"H", 0.05),
        lambda peer: time.sleep(1.0),
    ],
    ids=["headers that drip", "a status that drips", "silence"],
)
def test_an_answer_that_does_not_come_to_its_end_has_one(talk: Talk) -> None:
    with listening(talk) as url:
        start_s = time.monotonic()
        with pytest.raises(TimeoutError):
            ask(url, 0.3)
        assert time.monotonic() - start_s < 0.9


def test_endless_headers_are_not_kept() -> None:
    with listening(forever(OK, b"X: y\r\n" * 1_000)) as url, pytest.raises(NoAnswer):
        ask(url, 10.0)


@pytest.mark.parametrize(
    "head", [b"Content-Length: 9999\r\n", b"Content-Length: 999999999\r\n", b""]
)
def test_an_endless_body_holds_nobody(monkeypatch: pytest.MonkeyPatch, head: bytes) -> None:
    monkeypatch.setattr(connection, "BODY_S", 0.2)
    with listening(forever(OK + head + b"\r\n", b"x", 0.02)) as url:
        start_s = time.monotonic()
        assert ask(url, 10.0) == Answer(200)
        assert time.monotonic() - start_s < 1.0


def test_a_body_that_is_not_read_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "SEND_S", 0.3)
    with listening(lambda peer: time.sleep(1.0)) as url:
        found = Connection(urlsplit(url), None)
        with pytest.raises(TimeoutError):
            found.request("POST", "/x", {}, [bytes(50_000_000)])
        assert not found.usable


def test_a_short_body_leaves_the_connection_usable() -> None:
    def talk(peer: socket.socket) -> None:
        for _ in range(2):
            peer.sendall(OK + b"Content-Length: 3\r\n\r\nabc")
            peer.recv(1_000)

    with listening(talk) as url:
        found = Connection(urlsplit(url), None)
        assert found.request("GET", "/ready") == Answer(200, None, b"abc")
        assert found.usable
        assert found.request("GET", "/ready") == Answer(200, None, b"abc")
        found.close()


@pytest.mark.parametrize("beyond", [0, 1])
def test_a_body_up_to_its_bound_is_read_and_a_longer_one_ends_the_connection(beyond: int) -> None:
    body = bytes(limits.GATEWAY_ANSWER_BYTES + beyond)
    with listening(say(OK + b"Content-Length: %d\r\n\r\n" % len(body), body)) as url:
        found = Connection(urlsplit(url), None)
        answer = found.request("GET", "/ready")
        assert (answer.body, found.usable) == ((b"", False) if beyond else (body, True))
        found.close()
