"""MessagePack where `msgspec` is not enough: a stream cut into objects, and text that is no UTF-8.

Nothing is allocated from a size that the input claims, and depth costs nothing: an object is
skipped by counting what must still come. Source: https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from __future__ import annotations

from typing import Any

import msgspec

from tailrace.core.errors import InputError, TooLarge
from tailrace.wire.fitting import count

EVENT_TIME = 0  # the extension type of Fluentd's times: seconds and nanoseconds, 32 bits each


class Moment(int):
    """UTC nanoseconds, of an EventTime."""


def _hook(code: int, data: memoryview) -> Any:
    if code == EVENT_TIME and len(data) == 8:
        seconds, nanos = int.from_bytes(data[:4], "big"), int.from_bytes(data[4:], "big")
        return Moment(seconds * 1_000_000_000 + nanos)
    return bytes(data).hex()


_decoder = msgspec.msgpack.Decoder(ext_hook=_hook)


def _sizes() -> list[int]:
    """Bytes of an object by its first one, its contents included; 0 where a length follows."""
    sizes = [0] * 256
    for byte in (*range(0xA0), 0xC0, 0xC2, 0xC3, *range(0xE0, 0x100)):
        sizes[byte] = 1
    for byte in range(0xA0, 0xC0):
        sizes[byte] = 1 + byte - 0xA0
    numbers = {0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}
    numbers |= {0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
    extensions = {0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17}
    for byte, size in (numbers | extensions).items():
        sizes[byte] = 1 + size
    return sizes


_SIZES = _sizes()
# By how many more objects are to come after the first byte of one, where that says so.
_CHILDREN = [-1] * 0x80 + [2 * n - 1 for n in range(16)] + [n - 1 for n in range(16)] + [-1] * 0x60
# Bytes of the length that follows.
_WIDTHS = {
    0xC4: 1, 0xC5: 2, 0xC6: 4, 0xC7: 1, 0xC8: 2, 0xC9: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4,
    0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4,
}  # fmt: skip
_EXTENSIONS = frozenset({0xC7, 0xC8, 0xC9})
_CONTAINERS = {0xDC: 1, 0xDD: 1, 0xDE: 2, 0xDF: 2}
_ARRAYS = frozenset({0xDC, 0xDD})
_TEXTS = frozenset({0xD9, 0xDA, 0xDB})
_STRINGS = _TEXTS | {0xC4, 0xC5, 0xC6}
_FIXED_TEXT = range(0xA0, 0xC0)


def skip(data: bytes | bytearray, position: int, pending: int, limit_bytes: int) -> tuple[int, int]:
    """Go past what is there of `pending` objects: where it ends, and how many are still to come.

    Raises InputError ("msgpack") for a byte that begins nothing, TooLarge ("expanded") for objects
    that claim to be longer than `limit_bytes`.
    """
    end = len(data)
    sizes, children = _SIZES, _CHILDREN
    while pending and position < end:
        byte = data[position]
        if size := sizes[byte]:
            if position + size > end:
                break
            position += size
            pending += children[byte]
            continue
        width = _WIDTHS.get(byte)
        if width is None:
            raise InputError(f"byte {position}: is no MessagePack", "msgpack")
        start = position + 1 + width
        if start > end:
            break
        length = int.from_bytes(data[position + 1 : start], "big")
        if length > limit_bytes or pending > limit_bytes:
            raise TooLarge(
                f"a message is longer than {limit_bytes} bytes; send smaller chunks", "expanded"
            )
        if byte in _CONTAINERS:
            pending += length * _CONTAINERS[byte] - 1
        else:
            start += length + (byte in _EXTENSIONS)
            if start > end:
                break
            pending -= 1
        position = start
    return position, pending


class Objects:
    """The objects of one stream, each within `limit_bytes`, of which so much is held at most."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._buffer = bytearray()
        self._position = 0
        self._pending = 1

    def feed(self, data: bytes) -> list[bytes]:
        """The objects that end within `data`. Raises InputError and TooLarge like `skip`."""
        self._buffer += data
        found: list[bytes] = []
        start = 0
        while True:
            self._position, self._pending = skip(
                self._buffer, self._position, self._pending, self._limit_bytes
            )
            if self._pending:
                break
            found.append(bytes(self._buffer[start : self._position]))
            start, self._pending = self._position, 1
        del self._buffer[:start]
        self._position -= start
        if len(self._buffer) > self._limit_bytes:
            raise TooLarge(
                f"a message is longer than {self._limit_bytes} bytes; send smaller chunks",
                "expanded",
            )
        return found

    @property
    def held_bytes(self) -> int:
        return len(self._buffer)


def end_of(data: bytes, position: int) -> int:
    """Where the object that begins at `position` ends. Raises InputError where it has no end."""
    end, pending = skip(data, position, 1, len(data))
    if pending:
        raise InputError(f"byte {position}: an object has no end", "msgpack")
    return end


def inside(data: bytes, position: int) -> int | None:
    """Where the first object of the array at `position` is; None when it is no array."""
    byte = data[position] if position < len(data) else 0
    if 0x90 <= byte < 0xA0:
        return position + 1
    return position + 1 + _WIDTHS[byte] if byte in _ARRAYS else None


def content(data: bytes, position: int, end: int) -> bytes | None:
    """What the text or binary at `position` holds; None when it is neither."""
    byte = data[position]
    if byte in _FIXED_TEXT:
        return data[position + 1 : end]
    return data[position + 1 + _WIDTHS[byte] : end] if byte in _STRINGS else None


def decode(data: bytes, repaired: dict[str, int]) -> Any:
    """The one object that `data` is, which takes up to 64 times its size: an EventTime is a Moment,
    another extension its hex digits.

    Text that is no UTF-8 is repaired and counted, "utf8". Raises InputError ("msgpack").
    """
    try:
        try:
            return _decoder.decode(data)
        except UnicodeDecodeError:
            return _decoder.decode(_readable(data, repaired))
    except (msgspec.MsgspecError, RecursionError, TypeError, ValueError, OverflowError) as error:
        raise InputError("a message is no MessagePack, or nested too deeply", "msgpack") from error


def _readable(data: bytes, repaired: dict[str, int]) -> bytes:
    """The same objects with every text as UTF-8."""
    parts: list[bytes] = []
    position = kept = 0
    while position < len(data):
        byte = data[position]
        if _CHILDREN[byte] >= 0 or byte in _CONTAINERS:
            position += 1 + _WIDTHS.get(byte, 0)
            continue
        end = end_of(data, position)
        if byte in _FIXED_TEXT or byte in _TEXTS:
            text = content(data, position, end) or b""
            try:
                text.decode()
            except UnicodeDecodeError:
                count(repaired, "utf8")
                repair = msgspec.msgpack.encode(text.decode(errors="replace"))
                parts += (data[kept:position], repair)
                kept = end
        position = end
    return b"".join((*parts, data[kept:]))
