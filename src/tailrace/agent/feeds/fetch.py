"""GET of one URL: one connection, bounded in time and size, nothing followed."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from tailrace.agent.feeds.secret import secret
from tailrace.core import limits
from tailrace.core.errors import ConfigError

_READ_BYTES = 64 * limits.KIB


class Unanswered(Exception):
    """There is no answer that can be used. The message holds nothing of it, and no secrets."""


class Answer(NamedTuple):
    """`body` is expanded, `content_type` in lower case with its parameters."""

    body: bytes
    content_type: str


class Endpoint:
    """One URL that is asked again and again.

    `token_file` is read at each request, so that a token may be replaced. `timeout_s` bounds the
    whole of an answer, `limit_bytes` its body, compressed and expanded.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        token_file: str,
        timeout_s: float,
        limit_bytes: int,
        accept: str,
    ) -> None:
        parts = urlsplit(url)
        self._https = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._https else 80)
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        given = {name.lower(): value for name, value in headers.items()}
        self._headers = {"accept": accept, "accept-encoding": "gzip", **given}
        self._headers["connection"] = "close"
        self._token_file = token_file
        self._timeout_s = timeout_s
        self._limit_bytes = limit_bytes
        self._context: ssl.SSLContext | None = None

    def get(self) -> Answer:
        """Ask once. Raises Unanswered."""
        headers = {**self._headers, **self._authorization()}
        connection = self._connection()
        try:
            with _Watch(self._timeout_s) as watch:
                self._connect(connection, watch)
                connection.request("GET", self._path, headers=headers)
                answer = self._read(connection.getresponse())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unanswered(_why(error)) from None
        finally:
            connection.close()
        return answer

    def _connection(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._https else http.client.HTTPConnection
        return kind(self._host, self._port, timeout=self._timeout_s)

    def _connect(self, connection: http.client.HTTPConnection, watch: _Watch) -> None:
        """As `connect` does it, but the watch sees the handshake too."""
        http.client.HTTPConnection.connect(connection)
        if not self._https:
            watch.begin(connection.sock)
            return
        if self._context is None:  # reading the authorities takes longer than a request
            self._context = ssl.create_default_context()
        encrypted = self._context.wrap_socket(
            connection.sock, server_hostname=self._host, do_handshake_on_connect=False
        )
        connection.sock = encrypted
        watch.begin(encrypted)
        encrypted.do_handshake()

    def _authorization(self) -> dict[str, str]:
        if not self._token_file:
            return {}
        try:
            return {"authorization": f"Bearer {secret(self._token_file, 'token_file')}"}
        except ConfigError as error:
            raise Unanswered(str(error)) from None

    def _read(self, response: http.client.HTTPResponse) -> Answer:
        if 300 <= response.status < 400:
            raise Unanswered(f"status {response.status}: redirects are not followed")
        if response.status != 200:
            raise Unanswered(f"status {response.status}")
        encoding = response.getheader("Content-Encoding", "identity").strip().lower()
        pieces = _pieces(response, self._limit_bytes)
        if encoding in ("gzip", "x-gzip"):
            pieces = _expanded(pieces, self._limit_bytes)
        elif encoding not in ("", "identity"):
            raise Unanswered("content encoding is not gzip")
        body = b"".join(pieces)
        return Answer(body, response.getheader("Content-Type", "").strip().lower())


class _Watch:
    """Ends a conversation `timeout_s` after it was made, whatever it is waiting for.

    What fails within it then, or seems to have gone well, has timed out.
    """

    def __init__(self, timeout_s: float) -> None:
        self._end_s = time.monotonic() + timeout_s
        self._expired = threading.Event()
        self._timer: threading.Timer | None = None

    def begin(self, sock: socket.socket) -> None:
        left_s = max(0.0, self._end_s - time.monotonic())
        self._timer = threading.Timer(left_s, self._cut, (sock,))
        self._timer.daemon = True
        self._timer.start()

    def _cut(self, sock: socket.socket) -> None:
        self._expired.set()
        with contextlib.suppress(OSError):
            # The one of sockets: that of TLS would take the session away from a thread that reads.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer:
            self._timer.cancel()
        if self._expired.is_set():
            raise TimeoutError


def _pieces(response: http.client.HTTPResponse, limit_bytes: int) -> Iterator[bytes]:
    """The body as it comes. Raises Unanswered when it is not as long as it was to be."""
    left = limit_bytes
    while piece := response.read(_READ_BYTES):
        left -= len(piece)
        if left < 0:
            raise _too_large(limit_bytes)
        yield piece
    if response.length:
        raise Unanswered("answer ended early")


def _expanded(pieces: Iterator[bytes], limit_bytes: int) -> Iterator[bytes]:
    """The content of one gzip member."""
    reader = zlib.decompressobj(wbits=31)
    left = limit_bytes
    for piece in pieces:
        try:
            more = reader.decompress(piece, left + 1)
        except zlib.error:
            raise Unanswered("answer is not valid gzip") from None
        left -= len(more)
        if left < 0:
            raise _too_large(limit_bytes)
        yield more
    if not reader.eof or reader.unused_data:
        raise Unanswered("answer is not one whole gzip member")


def _too_large(limit_bytes: int) -> Unanswered:
    return Unanswered(f"answer is larger than {limit_bytes} bytes")


def _why(error: Exception) -> str:
    """Nothing that the other side wrote."""
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate is not trusted: {error.verify_message}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
