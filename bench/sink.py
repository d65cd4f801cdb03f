"""A gateway that keeps nothing: answers 200 to all, and counts the bytes its frames stand for.

    python -m bench.sink

Prints its port, then serves. `GET /bytes` answers the bytes before compression so far.
"""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tailrace.core import fleet
from tailrace.wire import frames


class Totals:
    """Bytes, before compression, of the distinct frames seen."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: set[tuple[str, str, int, int]] = set()
        self.bytes = 0

    def take(self, body: bytes) -> None:
        """Count the frames of a body; one that is sent again counts once."""
        found = frames.decode(body, check_payloads=False)
        with self._lock:
            for frame in found:
                if frame.header.key not in self._seen:
                    self._seen.add(frame.header.key)
                    self.bytes += frame.header.bytes


class Server(ThreadingHTTPServer):
    """A sink on a free port of the loopback."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.totals = Totals()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != fleet.PATH:
            self.server.totals.take(body)
        self._answer(b'{"accepted": 0, "repaired": {}}')

    def do_GET(self) -> None:
        self._answer(str(self.server.totals.bytes).encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    server = Server()
    print(server.server_address[1], flush=True)
    server.serve_forever()
