"""Syslog over TCP: messages out of a stream of bytes.

A frame that begins with a digit is LENGTH SPACE MESSAGE (octet counting), any other ends with a
newline or a NUL; each frame decides for itself. Source: RFC 6587, section 3.4. The usual streams,
of only one of the two, are cut without looking at every frame with an expression.
"""

from __future__ import annotations

import re

from tailrace.core import limits
from tailrace.wire.text import boundary

CUT_MARK = " …[cut]".encode()
# A longer number is the beginning of a text, not the length of a message.
_LENGTH = re.compile(rb"([1-9]\d{0,6}) ")
_MAYBE_LENGTH = re.compile(rb"[1-9]\d{0,6}")
_END = re.compile(rb"[\n\0]")
_ZERO = ord("0")


class Messages:
    """The messages of one connection. `cut` counts those that were longer than LINE_BYTES, whose
    rest is skipped; at most that much of one is held. `torn` is 1 when the stream ended inside a
    message that had said how long it is."""

    def __init__(self, limit_bytes: int = limits.LINE_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._buffer = bytearray()
        self._skip = 0  # bytes of a counted message that was cut
        self._skip_line = False
        self._searched = 0
        self.cut = 0
        self.torn = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that end within `data`, without their framing. None of them is blank."""
        self._buffer += data
        found: list[bytes] = []
        position = 0
        if not (self._skip or self._skip_line):
            found, position = self._usual()
        while position < len(self._buffer):
            message, end = self._next(position)
            if end is None:
                break
            if message:
                found.append(message)
            position = end
        del self._buffer[:position]
        return found

    def close(self) -> list[bytes]:
        """The last message, when the stream ended without its newline or inside it."""
        data, self._buffer = self._buffer, bytearray()
        counted = _LENGTH.match(data)
        self.torn += counted is not None
        rest = bytes(data[counted.end() :] if counted else data)
        return [rest] if rest.strip() and not self._skip_line else []

    @property
    def held_bytes(self) -> int:
        return len(self._buffer)

    def _usual(self) -> tuple[list[bytes], int]:
        """The whole messages that the buffer begins with, as long as they are of one framing, and
        where they end."""
        return self._lines() if self._buffer.startswith(b"<") else self._counts()

    def _lines(self) -> tuple[list[bytes], int]:
        """Messages that each begin with their priority and end with a newline; all or none."""
        end = self._buffer.rfind(b"\n", self._searched) + 1
        data = bytes(self._buffer[:end])
        found = data.split(b"\n")
        found.pop()
        alike = data.count(b"\n<") + 1 == len(found) and b"\0" not in data
        if not alike or max(map(len, found)) > self._limit_bytes:
            return [], 0
        self._searched = 0
        return [line.strip(b"\r") for line in found] if b"\r" in data else found, end

    def _counts(self) -> tuple[list[bytes], int]:
        """Messages whose lengths come first, within the limit."""
        data = bytes(self._buffer)
        found: list[bytes] = []
        position = 0
        while (space := data.find(b" ", position + 1, position + 8)) > 0:
            length = data[position:space]
            if not length.isdigit() or length[0] == _ZERO:
                break
            end = space + 1 + int(length)
            if end > len(data) or end - space > self._limit_bytes:
                break
            if message := data[space + 1 : end].strip(b"\r\n\0"):
                found.append(message)
            position = end
        return found, position

    def _next(self, position: int) -> tuple[bytes, int | None]:
        """A message (maybe none) and where it ends; no end when more bytes are needed."""
        buffer = self._buffer
        if self._skip:
            skipped = min(self._skip, len(buffer) - position)
            self._skip -= skipped
            return b"", position + skipped
        if not self._skip_line:
            counted = _LENGTH.match(buffer, position)
            if counted:
                return self._counted(counted)
            maybe = _MAYBE_LENGTH.match(buffer, position)
            if maybe and maybe.end() == len(buffer):
                return b"", None
        return self._line(position)

    def _counted(self, counted: re.Match[bytes]) -> tuple[bytes, int | None]:
        start, size = counted.end(), int(counted[1])
        there = len(self._buffer) - start
        if there < min(size, self._limit_bytes):
            return b"", None
        if size <= self._limit_bytes:
            return bytes(self._buffer[start : start + size]).strip(b"\r\n\0"), start + size
        self._skip = size - self._limit_bytes
        return self._shortened(start), start + self._limit_bytes

    def _line(self, position: int) -> tuple[bytes, int | None]:
        buffer = self._buffer
        end = _END.search(buffer, max(position, self._searched))
        self._searched = 0
        if self._skip_line:
            self._skip_line = end is None
            return b"", end.end() if end else len(buffer)
        if end and end.start() - position <= self._limit_bytes:
            return bytes(buffer[position : end.start()]).strip(b"\r"), end.end()
        if len(buffer) - position <= self._limit_bytes:
            self._searched = len(buffer) - position
            return b"", None
        self._skip_line = True
        return self._shortened(position), position + self._limit_bytes

    def _shortened(self, start: int) -> bytes:
        self.cut += 1
        piece = bytes(self._buffer[start : start + self._limit_bytes])
        return piece[: boundary(piece, self._limit_bytes - len(CUT_MARK))] + CUT_MARK
