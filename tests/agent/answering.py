"""An HTTP server that answers GET with what a test sets, and remembers what it was asked."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Mapping
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Answering:
    """`body`, `status` and `headers` of the next answers; `write`, when set, writes them itself."""

    def __init__(self) -> None:
        self.status = 200
        self.body = b""
        self.headers: Mapping[str, str] = {}
        self.write: Callable[[Any], None] | None = None
        self.asked: list[tuple[str, Message]] = []
        self.changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def wait(self, count: int, timeout_s: float = 10.0) -> bool:
        """True as soon as it was asked that often."""
        with self.changed:
            return self.changed.wait_for(lambda: len(self.asked) >= count, timeout_s)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def unused_port() -> int:
    """A port of the loopback on which nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _handler(answering: Answering) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with answering.changed:
                answering.asked.append((self.path, self.headers))
                answering.changed.notify_all()
            with contextlib.suppress(OSError):  # who asked is gone, as some tests want it
                self.answer()

        def answer(self) -> None:
            if answering.write:
                answering.write(self.wfile)
                return
            self.send_response(answering.status)
            headers = {"Content-Length": str(len(answering.body)), **answering.headers}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answering.body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
