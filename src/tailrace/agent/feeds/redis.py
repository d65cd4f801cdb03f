"""A Redis server, asked in RESP2: one connection, a few commands, all of it bounded.

Source: https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from __future__ import annotations

import socket
import time
from types import TracebackType
from typing import Self

from tailrace.core import limits

Reply = bytes | int | None | list["Reply"]
_READ_BYTES = 64 * limits.KIB
_LINE_BYTES = 1 * limits.KIB
_DEPTH = 4


class RedisError(Exception):
    """The server cannot be asked, or refuses. The message holds no more of what it says than the
    code of its error: the rest may repeat a password."""


class Redis:
    """A connection for one conversation, which ends after `timeout_s`."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        """Raises RedisError."""
        self._end_s = time.monotonic() + timeout_s
        self._buffer = bytearray()
        self._left = limits.SLOW_LOG_BYTES
        try:
            self._socket = socket.create_connection((host, port), timeout_s)
        except OSError as error:
            raise RedisError(_why(error)) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def ask(self, *words: str) -> Reply:
        """The reply to one command. Raises RedisError."""
        parts = [word.encode() for word in words]
        command = b"*%d\r\n" % len(parts)
        command += b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
        try:
            self._socket.settimeout(self._time_left())
            self._socket.sendall(command)
            return self._reply()
        except OSError as error:
            raise RedisError(_why(error)) from None

    def _reply(self, depth: int = 0) -> Reply:
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest
        if kind == b"-":
            code = rest.partition(b" ")[0].decode("ascii", "replace")
            raise RedisError(f"server answers {code if code.isalnum() else 'an error'}")
        number = _number(rest)
        if kind == b":":
            return number
        if kind == b"$":
            return None if number < 0 else self._exactly(number)
        if kind != b"*" or depth == _DEPTH or number > limits.SLOW_LOG_WORDS:
            raise RedisError("answer is not what was asked for")
        return None if number < 0 else [self._reply(depth + 1) for _ in range(number)]

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > _LINE_BYTES:
                raise RedisError("server does not speak RESP")
            self._fill()
        return self._take(end)

    def _exactly(self, size: int) -> bytes:
        if size > limits.SLOW_LOG_BYTES:
            raise RedisError("answer is too large")
        while len(self._buffer) < size + 2:
            self._fill()
        return self._take(size)

    def _take(self, size: int) -> bytes:
        """The next bytes, and the end of a line after them."""
        found = bytes(self._buffer[:size])
        del self._buffer[: size + 2]
        return found

    def _fill(self) -> None:
        self._socket.settimeout(self._time_left())
        data = self._socket.recv(_READ_BYTES)
        self._left -= len(data)
        if not data:
            raise RedisError("connection was closed")
        if self._left < 0:
            raise RedisError("answer is too large")
        self._buffer += data

    def _time_left(self) -> float:
        left_s = self._end_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return left_s


def _number(text: bytes) -> int:
    digits = text.removeprefix(b"-")
    if not digits.isdigit() or len(digits) > 18:
        raise RedisError("server does not speak RESP")
    return int(text)


def _why(error: OSError) -> str:
    return "timed out" if isinstance(error, TimeoutError) else error.strerror or "not reached"
