"""A small HTTP/1.1 server for inputs that applications of this machine send to.

A thread for each connection; connections, the bytes of a request's head and the time for a request
are bounded. It is for loopback: no TLS, no proxies, no pipelining.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from io import BufferedReader
from typing import NamedTuple

from tailrace.core import limits, log
from tailrace.core.errors import InputError, TooLarge

_log = log.get("agent")
_READ_BYTES = 64 * limits.KIB
_LOOK_S = 1.0
_STOP_S = 3.0


class Answer(NamedTuple):
    """`headers` besides the length and the media type of `body`."""

    status: int
    body: bytes = b""
    media_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = {}


class Request:
    """Names of `headers` are lower case. `path` is without its query."""

    def __init__(self, method: str, path: str, headers: Mapping[str, str], stream: BufferedReader):
        self.method = method
        self.path = path
        self.headers = headers
        self.chunked = "transfer-encoding" in headers
        self._stream = stream
        self._continue: Callable[[], None] | None = None
        self.length = self._length()
        self.whole = not (self.length or self.chunked)

    def _length(self) -> int:
        """Bytes of the body, as the sender says; 0 when it comes in chunks."""
        text = self.headers.get("content-length", "0")
        if self.chunked:
            if self.headers["transfer-encoding"].lower() != "chunked" or text != "0":
                raise InputError("Transfer-Encoding must be chunked, without a length", "header")
            return 0
        if not (text.isascii() and text.isdigit() and len(text) < 16):
            raise InputError("Content-Length must be a number", "header")
        return int(text)

    def expects(self, ready: Callable[[], None]) -> None:
        """Call `ready` before the body is read: the sender waits for it."""
        self._continue = ready

    def read(self, limit_bytes: int) -> bytes:
        """The body. Raises TooLarge beyond `limit_bytes`, InputError when it ends early."""
        if self.length > limit_bytes:
            raise _too_large(limit_bytes)
        if self._continue:
            self._continue()
        body = self._chunks(limit_bytes) if self.chunked else self._exactly(self.length)
        self.whole = True
        return body

    def _exactly(self, size: int) -> bytes:
        data = self._stream.read(size)
        if len(data) < size:
            raise InputError("the body ended early", "body")
        return data

    def _chunks(self, limit_bytes: int) -> bytes:
        parts: list[bytes] = []
        total = 0
        while size := self._chunk_size():
            total += size
            if total > limit_bytes or len(parts) > limits.MEMBERS_PER_BODY:
                raise _too_large(limit_bytes)
            parts.append(self._exactly(size))
            if self._line():
                raise InputError("a chunk is longer than it says", "body")
        while self._line():  # trailers
            total += limits.RELAY_CHUNK_LINE_BYTES
            if total > limit_bytes + limits.RELAY_HEAD_BYTES:
                raise _too_large(limit_bytes)
        return b"".join(parts)

    def _chunk_size(self) -> int:
        text = self._line().partition(b";")[0].strip()
        try:
            if not text.isalnum() or len(text) > 8:
                raise ValueError
            return int(text, 16)
        except ValueError:
            raise InputError("a chunk has no length", "body") from None

    def _line(self) -> bytes:
        line = self._stream.readline(limits.RELAY_CHUNK_LINE_BYTES)
        if not line.endswith(b"\n"):
            raise InputError("the body ended early", "body")
        return line.rstrip(b"\r\n")


def _too_large(limit_bytes: int) -> TooLarge:
    return TooLarge(f"body is larger than {limit_bytes} bytes; send smaller batches", "body")


class HttpServer:
    """`answer` is called in the thread of a connection; what it raises is a bug, answered 503."""

    def __init__(
        self,
        listener: socket.socket,
        answer: Callable[[Request], Answer],
    ) -> None:
        self._listener = listener
        self._answer = answer
        self._open: dict[socket.socket, tuple[threading.Thread, float]] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._accept, name="agent-http", daemon=True)

    def start(self) -> None:
        """Accept connections of the listener, which is closed at the end."""
        self._thread.start()

    def stop(self) -> None:
        """Let the requests that are being answered end; takes no others."""
        self._stopping.set()
        with self._lock:
            threads = [thread for thread, _ in self._open.values()]
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)
        end_s = time.monotonic() + _STOP_S
        for thread in (self._thread, *threads):
            if thread.is_alive():
                thread.join(max(0.0, end_s - time.monotonic()))

    def _accept(self) -> None:
        with self._listener, selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            while not self._stopping.is_set():
                if selector.select(_LOOK_S / 10):
                    with contextlib.suppress(OSError):
                        self._begin(self._listener.accept()[0])
                self._end_late()

    def _begin(self, connection: socket.socket) -> None:
        with self._lock:
            full = len(self._open) >= limits.LISTENER_CONNECTIONS
            if not full:
                thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
                self._open[connection] = (thread, time.monotonic() + limits.RELAY_REQUEST_S)
        if full:
            connection.settimeout(limits.RELAY_REST_S)
            _send(connection, Answer(503, b"too many connections\n", headers={"Retry-After": "1"}))
            connection.close()
            _log.warning("connection refused", extra={"connections": limits.LISTENER_CONNECTIONS})
        else:
            connection.settimeout(limits.RELAY_REQUEST_S)
            thread.start()

    def _end_late(self) -> None:
        """A sender of one byte at a time does not hold its place for ever."""
        now_s = time.monotonic()
        with self._lock:
            for connection, (_, end_s) in self._open.items():
                if end_s < now_s:
                    with contextlib.suppress(OSError):
                        connection.shutdown(socket.SHUT_RDWR)

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection, connection.makefile("rb") as stream:
                while not self._stopping.is_set() and self._exchange(connection, stream):
                    self._extend(connection)
        except OSError:
            pass  # the sender went away
        finally:
            with self._lock:
                del self._open[connection]

    def _extend(self, connection: socket.socket) -> None:
        with self._lock:
            thread, _ = self._open[connection]
            self._open[connection] = (thread, time.monotonic() + limits.RELAY_REQUEST_S)

    def _exchange(self, connection: socket.socket, stream: BufferedReader) -> bool:
        """One request and its answer; False when the connection is to be closed."""
        try:
            request = _read_head(stream)
        except InputError as error:
            _send(connection, Answer(error.status, f"{error}\n".encode()))
            _discard(connection)
            return False
        if request is None:
            return False
        self._extend(connection)
        if request.headers.get("expect", "").lower() == "100-continue":
            request.expects(lambda: connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n"))
        try:
            answer = self._answer(request)
        except OSError:
            raise
        except Exception:
            _log.exception("a request failed")
            answer = Answer(503, b"the agent failed; try again\n", headers={"Retry-After": "5"})
        keep = request.whole and request.headers.get("connection", "").lower() != "close"
        _send(connection, answer, keep)
        if not request.whole:
            _discard(connection)
        return keep


def _read_head(stream: BufferedReader) -> Request | None:
    """A request without its body; None when the connection ended instead."""
    lines: list[bytes] = []
    left = limits.RELAY_HEAD_BYTES
    while True:
        line = stream.readline(left)
        left -= len(line)
        if left <= 0:
            raise TooLarge(f"a request's head is at most {limits.RELAY_HEAD_BYTES} bytes", "header")
        if not line.endswith(b"\n"):
            return None
        line = line.rstrip(b"\r\n")
        if line:
            lines.append(line)
        elif lines:
            break
    words = lines[0].decode("latin-1").split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1.") or not words[1].startswith("/"):
        raise InputError("this is not a request of HTTP/1.1", "header")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.decode("latin-1").partition(":")
        name = name.lower()
        if not colon or name != name.strip() or not name:
            raise InputError("a header is malformed", "header")
        if name in headers and name in ("content-length", "transfer-encoding"):
            raise InputError(f"{name} is there twice", "header")
        headers[name] = value.strip()
    if words[2] == "HTTP/1.0":
        headers["connection"] = "close"
    return Request(words[0], words[1].partition("?")[0], headers, stream)


def _send(connection: socket.socket, answer: Answer, keep: bool = False) -> None:
    phrase = HTTPStatus(answer.status).phrase
    head = [
        f"HTTP/1.1 {answer.status} {phrase}",
        f"Content-Type: {answer.media_type}",
        f"Content-Length: {len(answer.body)}",
        *(f"{name}: {value}" for name, value in answer.headers.items()),
        *(() if keep else ("Connection: close",)),
    ]
    connection.sendall("\r\n".join([*head, "", ""]).encode() + answer.body)


def _discard(connection: socket.socket) -> None:
    """Read what the sender still sends, so that it gets to read the answer."""
    end_s = time.monotonic() + limits.RELAY_REST_S
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(limits.RELAY_REST_S)
    left = limits.RELAY_REST_BYTES
    while left > 0 and time.monotonic() < end_s:
        size = len(connection.recv(_READ_BYTES))
        if not size:
            return
        left -= size
