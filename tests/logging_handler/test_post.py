"""One try to send a batch, and a gateway that says too much."""

from __future__ import annotations

import socket
import threading

import pytest

from tailrace.core import limits
from tailrace.logging import post
from tailrace.logging.post import Later, Post


def test_of_an_endless_answer_no_more_is_read_than_a_gateway_may_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(post, "TIMEOUT_S", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(10_000)
                head = b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n"
                peer.sendall(head + bytes(limits.GATEWAY_ANSWER_BYTES))
                while peer.recv(10_000):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        Post(f"http://127.0.0.1:{server.getsockname()[1]}", "", print).send(b"batch", "key")
        thread.join(5)
    assert not thread.is_alive()


def test_a_page_that_takes_anything_is_no_gateway() -> None:
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(10_000)
                head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\n"
                peer.sendall(head + b"login")

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(Later):
            Post(url, "", said.append).send(b"batch", "key")
        thread.join(5)
    assert said[0].startswith(f"{url} answers 200: check the url")
