"""A gateway that keeps nothing: answers 200 to all, and notes what its frames stand for.

    python -m bench.sink

Prints its port, then serves. `GET /bytes` answers the bytes, before compression, that were meant
for the archive: each row of a source goes there once, sampled or not. `GET /waits` answers, for
each line that says `written_ns=N`, in their order, how long after N its frame was here; N is of
CLOCK_MONOTONIC, which the processes of a machine share. `GET /first` answers when the first frame
came, 0 before.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tailrace.core import fleet
from tailrace.core.frame import Frame, Lane
from tailrace.core.payload import expand
from tailrace.wire import frames

_written = re.compile(rb"written_ns=(\d+)").findall
# Of frames whose lines are looked at later, so that looking delays nobody; a full load holds more
# than that, and no such lines.
_KEPT_BYTES = 64_000_000


class Totals:
    """Of the distinct frames seen."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: set[tuple[str, str, int, int]] = set()
        self._frames: list[tuple[int, Frame]] = []
        self._kept_bytes = 0
        self.first_ns = 0
        self.bytes = 0

    def take(self, body: bytes, arrived_ns: int) -> None:
        """Count the frames of a body; one that is sent again counts once."""
        found = frames.decode(body, check_payloads=False)
        with self._lock:
            self.first_ns = self.first_ns or arrived_ns
            for frame in found:
                if frame.header.key in self._seen:
                    continue
                self._seen.add(frame.header.key)
                if frame.header.lane is not Lane.HOT:
                    self.bytes += frame.header.bytes
                self._kept_bytes += frame.header.bytes
                if self._kept_bytes < _KEPT_BYTES:
                    self._frames.append((arrived_ns, frame))

    def waits_ns(self) -> list[int]:
        """Of all lines so far that say when they were written."""
        with self._lock:
            kept = list(self._frames)
        waits = [
            (int(written), arrived_ns - int(written))
            for arrived_ns, frame in kept
            for written in _written(expand(frame.payload, frame.header.bytes))
        ]
        return [wait_ns for _, wait_ns in sorted(waits)]


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
            self.server.totals.take(body, time.monotonic_ns())
        self._answer(b'{"accepted": 0, "repaired": {}}')

    def do_GET(self) -> None:
        totals = self.server.totals
        answers: dict[str, Callable[[], object]] = {
            "/bytes": lambda: totals.bytes,
            "/first": lambda: totals.first_ns,
            "/waits": totals.waits_ns,
            "/ready": lambda: "ready",
        }
        self._answer(json.dumps(answers[self.path]()).encode())

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
