"""One HTTP/1.1 connection on which nothing can take longer than it may.

http.client bounds each read, so that an answer which drips holds its caller for ever; here every
step has an end. Of an answer the status and a few headers are what counts; where its body has no
length or one beyond `GATEWAY_ANSWER_BYTES`, the connection is closed instead of read. It also
spares an agent without https the memory of ssl.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult

import msgspec

from tailrace.core import limits

if TYPE_CHECKING:
    import ssl

CONNECT_S = 5.0
SEND_S = 30.0
ANSWER_S = 30.0
# The status is known by then.
BODY_S = 2.0
_INFORMATIONAL = 8
_RECEIVE_BYTES = 16 * limits.KIB
_GATHER_BYTES = 64 * limits.KIB
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: .*)?")
# What OpenSSL makes of an answer in plain text; which of them is a matter of its version.
_PLAIN = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
_PORTS = {"http": 80, "https": 443}


class Answer(msgspec.Struct, frozen=True):
    """`retry_after_s`: what the gateway asked for; None when it named no number of seconds.
    `body`: as much of it as came in time, "" when it is none of a known length. `media_type`: what
    it says that it is, "" when it says nothing."""

    status: int
    retry_after_s: float | None = None
    body: bytes = b""
    media_type: bytes = b""


class NoAnswer(Exception):
    """What came is no answer in HTTP/1.1."""


class Closed(NoAnswer):
    """The connection ended before the first byte of an answer."""


class Connection:
    """To the host of `url`. Raises OSError when it is not reached, TimeoutError included.

    After an error it is closed and of no further use.
    """

    def __init__(
        self, url: SplitResult, tls: ssl.SSLContext | None, connect_s: float = CONNECT_S
    ) -> None:
        host = url.hostname or ""
        port = url.port or _PORTS[url.scheme]
        # As bytes, a name needs no tables of international names.
        name: Any = host.encode("ascii")
        self._host = url.netloc.rpartition("@")[2]
        found = socket.create_connection((name, port), connect_s)
        try:
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = tls.wrap_socket(found, server_hostname=host) if tls else found
        except BaseException:
            found.close()
            raise
        self._closed = "it ends at once"
        if not tls:
            self._closed += ", as a server with TLS does: then its address begins with https"
        self._received = b""
        self.usable = True

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: Sequence[bytes] = (),
        answer_s: float = ANSWER_S,
    ) -> Answer:
        """Send, and wait for the answer. Raises OSError and NoAnswer."""
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n"
        for name, value in (headers or {}).items():
            head += f"{name}: {value}\r\n"
        if body:
            head += f"Content-Length: {sum(map(len, body))}\r\n"
        try:
            self._send([head.encode("latin-1") + b"\r\n", *body])
            return self._answer(time.monotonic() + answer_s)
        except BaseException:
            self.close()
            raise

    def _send(self, parts: Sequence[bytes]) -> None:
        end_s = time.monotonic() + SEND_S
        for part in _gathered(parts):
            rest = memoryview(part)
            while rest:
                self._socket.settimeout(_left(end_s))
                rest = rest[self._socket.send(rest) :]

    def _answer(self, end_s: float) -> Answer:
        for _ in range(_INFORMATIONAL):
            status, headers = self._head(end_s)
            if status >= 200:
                break
        else:
            raise NoAnswer("it never comes to its status")
        wait = headers.get(b"retry-after", b"")
        body = self._body(status, headers, min(end_s, time.monotonic() + BODY_S))
        if body is None:
            self.close()
        wait_s = float(wait) if wait.isdigit() and len(wait) < 10 else None
        media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        return Answer(status, wait_s, body or b"", media_type)

    def _head(self, end_s: float) -> tuple[int, dict[bytes, bytes]]:
        seen = 0
        while (end := self._received.find(b"\r\n\r\n", max(0, seen - 3))) < 0:
            seen = len(self._received)
            if seen > limits.GATEWAY_ANSWER_BYTES:
                raise NoAnswer("its headers have no end")
            self._receive(end_s)
        head, self._received = self._received[:end], self._received[end + 4 :]
        first, *lines = head.split(b"\r\n")
        found = _STATUS.fullmatch(first)
        if not found:
            raise NoAnswer("it does not begin with a status")
        pairs = (line.partition(b":") for line in lines)
        return int(found[1]), {name.lower(): value.strip() for name, _, value in pairs}

    def _body(self, status: int, headers: Mapping[bytes, bytes], end_s: float) -> bytes | None:
        """The body; None when the connection is not ready for another request behind it."""
        size = headers.get(b"content-length", b"0" if status in (204, 304) else b"")
        if b"transfer-encoding" in headers or headers.get(b"connection", b"").lower() == b"close":
            return None
        if not size.isdigit() or len(size) > 9 or int(size) > limits.GATEWAY_ANSWER_BYTES:
            return None
        try:
            while len(self._received) < int(size):
                self._receive(end_s)
        except (OSError, NoAnswer):
            return None  # the status has been said
        body, self._received = self._received[: int(size)], self._received[int(size) :]
        return None if self._received else body

    def _receive(self, end_s: float) -> None:
        self._socket.settimeout(_left(end_s))
        data = self._socket.recv(_RECEIVE_BYTES)
        if not data:
            raise NoAnswer("it ends early") if self._received else Closed(self._closed)
        self._received += data

    def close(self) -> None:
        """Let go of the socket."""
        self.usable = False
        self._socket.close()


def reason(error: Exception) -> str:
    """Why there is no answer, without what was sent: only what the system or this module says."""
    if isinstance(error, NoAnswer):
        return str(error)
    if getattr(error, "reason", "") in _PLAIN:
        return "it speaks no TLS: its address begins with http, or with another port"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    said = error.strerror if isinstance(error, OSError) else None
    return said or type(error).__name__


def _gathered(parts: Sequence[bytes]) -> Iterator[bytes]:
    """Small ones together: a system call for each costs more than a copy."""
    some: list[bytes] = []
    size = 0
    for part in parts:
        some.append(part)
        size += len(part)
        if size >= _GATHER_BYTES:
            yield b"".join(some)
            some, size = [], 0
    if some:
        yield b"".join(some)


def _left(end_s: float) -> float:
    left_s = end_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("it took too long")
    return left_s
