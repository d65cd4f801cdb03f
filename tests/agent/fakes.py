"""A gateway that takes, refuses, stalls and drops connections, and remembers what it took."""

from __future__ import annotations

import contextlib
import random
import ssl
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec

from tailrace.core.fleet import PATH, Announcement
from tailrace.core.frame import Frame
from tailrace.core.payload import expand
from tailrace.wire import frames

Judge = Callable[[list[Frame]], int]
# What a judge may say instead of a status. The first two drop the connection without an answer,
# STALL after a while; the others take the frames and answer what nobody can use.
DROP, TAKE_AND_DROP, STALL, NONSENSE, ENDLESS, DRIP = range(0, -6, -1)
_TAKES = (200, TAKE_AND_DROP, NONSENSE, ENDLESS, DRIP)
_STEP_S = 0.05


class FakeGateway:
    """`judge` gives the status for a body, or how to misbehave. Frames are remembered by
    (source, epoch, seq). `patience_s`: how long it stalls, drips and goes on without end."""

    def __init__(self, judge: Judge = lambda found: 200, tls: ssl.SSLContext | None = None) -> None:
        self.judge = judge
        self.ready = 200
        self.taken: dict[tuple[str, int, int], Frame] = {}
        self.requests = 0
        self.tokens: set[str] = set()
        self.retry_after = ""
        self.media_type = ""
        self.patience_s = 0.5
        self._closed = threading.Event()
        self.announcements: list[Announcement] = []
        self.hears = True
        self._changed = threading.Condition()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._serve()

    def _serve(self) -> None:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def leave(self) -> None:
        """Refuse connections from now on; those that are open stay."""
        self._end()

    def come_back(self) -> None:
        """After `leave`: at the same address. Without TLS."""
        self._server = _Server(self._server.server_address[:2], _handler(self))
        self._serve()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, body: bytes, token: str) -> int:
        found = frames.decode(body)
        status = self.judge(found)
        with self._changed:
            self.requests += 1
            self.tokens.add(token)
            if status in _TAKES:
                for frame in found:
                    header = frame.header
                    key = (header.source, header.epoch, header.seq)
                    known = self.taken.get(key)
                    assert known is None or known.header.checksum == header.checksum, key
                    self.taken[key] = frame
            self._changed.notify_all()
        return status

    def hear(self, body: bytes, token: str) -> int | None:
        """Losses confirmed, which is all; None when announcements are not known here."""
        with self._changed:
            self.tokens.add(token)
            said = msgspec.json.decode(body, type=Announcement)
            self.announcements.append(said)
            self._changed.notify_all()
        return len(said.losses) if self.hears else None

    def pause(self, seconds: float) -> None:
        """In a handler that lets its client wait."""
        self._closed.wait(seconds)

    def wait(self, until: Callable[[], bool], timeout_s: float = 20.0) -> bool:
        """True as soon as `until` holds; it is asked after every request."""
        with self._changed:
            return self._changed.wait_for(until, timeout_s)

    def lines(self, path: str = "") -> list[bytes]:
        """All lines taken of the file, in the order of their frames."""
        found: list[bytes] = []
        for _, frame in sorted(self.taken.items(), key=lambda item: item[0][1:]):
            if not path or frame.header.resource["log.file.path"] == path:
                found += expand(frame.payload, frame.header.bytes).splitlines()
        return found

    def gaps(self) -> int:
        """Numbers missing within an epoch."""
        by_epoch: dict[tuple[str, int], set[int]] = {}
        for source, epoch, seq in list(self.taken):
            by_epoch.setdefault((source, epoch), set()).add(seq)
        return sum(max(seqs) - len(seqs) for seqs in by_epoch.values())

    def close(self) -> None:
        self._closed.set()
        self._end()

    def _end(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed is no news."""


def _handler(gateway: FakeGateway) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            token = self.headers.get("Authorization", "")
            if self.path == PATH:
                self.answer_announcement(gateway.hear(body, token))
                return
            status = gateway.answer(body, token)
            if status <= 0:
                self.close_connection = True
                with contextlib.suppress(OSError):  # who asked has had enough
                    self.misbehave(status)
                return
            self.send_response(status)
            if gateway.retry_after:
                self.send_header("Retry-After", gateway.retry_after)
            if gateway.media_type:
                self.send_header("Content-Type", gateway.media_type)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def misbehave(self, how: int) -> None:
            end_s = time.monotonic() + gateway.patience_s
            if how == NONSENSE:
                self.wfile.write(bytes(range(256)) * 16 + b"\r\n\r\n")
            elif how == ENDLESS:
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while how in (STALL, ENDLESS, DRIP) and time.monotonic() < end_s:
                if how == STALL:
                    gateway.pause(_STEP_S)
                elif how == ENDLESS:
                    self.wfile.write(bytes(1 << 20))
                else:
                    self.wfile.write(b"H")
                    gateway.pause(_STEP_S)

        def answer_announcement(self, confirmed: int | None) -> None:
            said = b'{"confirmed_losses": %d}' % (confirmed or 0)
            self.send_response(404 if confirmed is None else 200)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def do_GET(self) -> None:
            self.send_response(gateway.ready if self.path == "/ready" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def moody(seed: int) -> Judge:
    """Takes about half of what it gets; the rest it refuses or answers not at all."""
    chance = random.Random(seed)
    return lambda found: chance.choice((200, 200, 200, 503, 500, 0, -1))
