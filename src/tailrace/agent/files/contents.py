"""The bytes of one file: as they are, or out of a compressed one.

Offsets are those of the text, so a file that is compressed after it was read goes on at the same
place. A compressed file is read from front to back; going back begins again.
"""

from __future__ import annotations

import os
import sys
import zlib
from typing import Any, Protocol

import zstandard

from tailrace.core import limits

_STEP = 64 * limits.KIB
# Four bytes can stand for 128 KiB of text.
_ZSTD_STEP = 256
_GZIP = 16 + zlib.MAX_WBITS
_SUFFIXES = (".gz", ".zst")
_BEGINNING_BYTES = 256
# Kept of what a compressed file gave last: enough to hash what is before a place.
_BEHIND_BYTES = 4 * limits.KIB


class Content(Protocol):
    """Text by offset. Raises OSError; `ended`: nothing is ever added behind `size`."""

    descriptor: int
    ended: bool

    def status(self) -> os.stat_result: ...

    def size(self, status: os.stat_result) -> int:
        """Bytes of text; as large as can be while nobody knows."""
        ...

    def fill(self, buffer: bytearray, size: int, offset: int) -> None:
        """Make `buffer` the at most `size` bytes at `offset`; fewer only at the end."""
        ...

    def read_at(self, length: int, offset: int) -> bytes: ...

    def close(self) -> None: ...


def is_packed(path: str) -> bool:
    """Whether a name says that the file is compressed in a way that is read."""
    return path.endswith(_SUFFIXES)


def open_content(path: str) -> Content:
    """The content of the file at `path`. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    return Packed(descriptor, path.endswith(".gz")) if is_packed(path) else Plain(descriptor)


class Plain:
    """A file of text that may grow, shrink and change."""

    ended = False

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def status(self) -> os.stat_result:
        return os.fstat(self.descriptor)

    def size(self, status: os.stat_result) -> int:
        return status.st_size

    def fill(self, buffer: bytearray, size: int, offset: int) -> None:
        if len(buffer) < size:
            buffer.extend(bytes(size - len(buffer)))
        del buffer[size:]
        del buffer[os.preadv(self.descriptor, [buffer], offset) :]

    def read_at(self, length: int, offset: int) -> bytes:
        return os.pread(self.descriptor, length, offset)

    def close(self) -> None:
        os.close(self.descriptor)


class Packed:
    """A finished file, compressed by gzip or zstd; several members or frames are one text.

    What ends early or is damaged ends there: `damaged` says so.
    """

    def __init__(self, descriptor: int, gzip: bool) -> None:
        self.descriptor = descriptor
        self._gzip = gzip
        self._packed_bytes = 0
        self._restart()

    def _restart(self) -> None:
        self.ended = False
        self.damaged = False
        self._read = 0  # of the file
        self._start = 0  # of `_text`, an offset of the text
        self._text = bytearray()
        self._input = b""
        self._stream: Any = None

    def status(self) -> os.stat_result:
        return os.fstat(self.descriptor)

    def size(self, status: os.stat_result) -> int:
        if self.ended and status.st_size != self._packed_bytes:
            self._restart()  # it was still being written
        self._packed_bytes = status.st_size
        return self._start + len(self._text) if self.ended else sys.maxsize

    @property
    def hardly_begun(self) -> bool:
        """Whether it ends before it says anything, as while it is written. Raises OSError."""
        short = len(self.read_at(_BEGINNING_BYTES, 0)) < _BEGINNING_BYTES
        return short and (self.damaged or not self._read)

    def fill(self, buffer: bytearray, size: int, offset: int) -> None:
        buffer[:] = self.read_at(size, offset)

    def read_at(self, length: int, offset: int) -> bytes:
        if offset < self._start:
            self._restart()
        while not self.ended and self._start + len(self._text) < offset + length:
            self._more()
            gone = min(len(self._text), offset - _BEHIND_BYTES - self._start)
            if gone > 0:
                del self._text[:gone]
                self._start += gone
        at = offset - self._start
        return bytes(self._text[at : at + length])

    def _more(self) -> None:
        if not self._input:
            self._input = os.pread(self.descriptor, _STEP, self._read)
            self._read += len(self._input)
            if not self._input:
                self.ended = True
                self.damaged |= self._stream is not None
                return
        try:
            self._unpack()
        except (zlib.error, zstandard.ZstdError, MemoryError):
            self.ended = self.damaged = True

    def _unpack(self) -> None:
        """At most a megabyte or so of text out of what was read."""
        if self._gzip:
            stream = self._stream or zlib.decompressobj(_GZIP)
            self._text += stream.decompress(self._input, limits.MIB)
            rest = stream.unconsumed_tail or stream.unused_data
        else:
            stream = self._stream or _zstd()
            piece, behind = self._input[:_ZSTD_STEP], self._input[_ZSTD_STEP:]
            self._text += stream.decompress(piece)
            rest = stream.unused_data + behind
        self._stream = None if stream.eof else stream
        # What follows the last member may be padding.
        self._input = rest.lstrip(b"\0") if stream.eof else rest

    def close(self) -> None:
        os.close(self.descriptor)


def _zstd() -> Any:
    return zstandard.ZstdDecompressor(max_window_size=limits.PACKED_WINDOW_BYTES).decompressobj()
