"""HTTP/1.1 as uvicorn and httptools speak it, within bounds that they do not have.

A request's line and headers are bounded in bytes and in time, and so is what a chunked body holds
beside its data: extensions and trailers. A client that neither sends nor reads is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tailrace.core import limits
from tailrace.gateway.connections import Connections, Wait

# Bytes of framing that a chunked body may have for each byte of data, and at least. A chunk of one
# byte has five.
_FRAMING_RATIO = 8
_FRAMING_BYTES = limits.HEAD_BYTES


def protocol(connections: Connections) -> Callable[..., asyncio.Protocol]:
    """For `http=` of a uvicorn configuration: connections that are counted and swept there."""
    return partial(BoundedProtocol, connections)


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, connections: Connections, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.waits: Wait = "idle"
        self.since_s = connections.now_s()
        self._table = connections
        self._peer = ""
        self._refused = False
        # Heads that have ended, and bytes of the one that has not.
        self._heads = 0
        self._in_head = True
        self._head_bytes = 0
        # Of a body: bytes received, and those of them that were data.
        self._received = 0
        self._data = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._peer = self.client[0] if self.client else ""
        if not self._table.add(self, self._peer):
            self._refuse(b"503 Service Unavailable", b"too many connections", b"Retry-After: 5\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        self._table.remove(self, self._peer)
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        self._table.remove(self, self._peer)
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        heads = self._heads
        was_in_head = self._in_head
        super().data_received(data)
        if was_in_head and self._in_head and heads == self._heads:
            self._head_bytes += len(data)
            if self._head_bytes > limits.HEAD_BYTES:
                self._refuse_head()
        elif not self._in_head:
            self._received += len(data)
            if self._received > _FRAMING_RATIO * self._data + _FRAMING_BYTES + len(data):
                self._table.closed("framing")
                self._refused = True
                self.drop()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = self._received = self._data = 0
        self._wait("head")

    def on_header(self, name: bytes, value: bytes) -> None:
        # What comes behind a body are trailers: no route reads them, and the request is running.
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._heads += 1
        self._wait("")
        # The parser has the whole head of one read, which may be larger than all reads before.
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > limits.HEAD_BYTES:
            self._refuse_head()
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._refused:
            return
        self._data += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._refused:
            return
        super().on_message_complete()
        self._in_head = True
        self._head_bytes = 0
        self._settle()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._settle()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._settle()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._settle()

    def drop(self) -> None:
        """End it, without waiting for what is still to be written."""
        if self.transport is not None:
            self.transport.abort()

    def _settle(self) -> None:
        """What it waits for now, outside of a head."""
        if self.flow.write_paused:
            self._wait("write")
        elif self.cycle is not None and not self.cycle.response_complete:
            self._wait("")
        else:
            # An answer may come before its body has ended: the rest is read, but not for ever.
            self._wait("idle" if self._in_head else "unread")

    def _wait(self, what: Wait) -> None:
        self.waits = what
        self.since_s = self._table.now_s()

    def _refuse_head(self) -> None:
        self._table.closed("head_bytes")
        words = b"the request's line and headers are larger than %d bytes" % limits.HEAD_BYTES
        self._refuse(b"431 Request Header Fields Too Large", words)

    def _refuse(self, status: bytes, words: bytes, header: bytes = b"") -> None:
        self._refused = True
        self.transport.write(
            b"HTTP/1.1 %s\r\n%sContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n"
            b"Connection: close\r\n\r\n%s" % (status, header, len(words), words)
        )
        self.transport.close()
