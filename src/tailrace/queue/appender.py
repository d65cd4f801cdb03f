"""The one writer of a folder of segments. Blocking; used from one worker thread.

A write or a sync that failed is never tried again on the same file: Linux reports a lost page
once and calls it clean afterwards. The segment is cut back to its last durable record, closed for
good, and the next append begins a new one.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tailrace.core import limits
from tailrace.core.errors import Poison
from tailrace.core.frame import Frame
from tailrace.queue.files import FileSystem, remove_quietly
from tailrace.queue.record import PAYLOAD_LIMIT_BYTES, encode_prefix, encoded_bytes
from tailrace.queue.segment import HEAD_BYTES, Extent, encode_head, path_of

Entry = tuple[bytes, bytes]
"""Header and payload of a record to be."""


class Appender:
    """Appends groups of records; a group is durable, whole, when `append` returns."""

    def __init__(
        self, files: FileSystem, directory: Path, segment_bytes: int, next_number: int
    ) -> None:
        self._files = files
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._next_number = next_number
        self._handle: int | None = None
        self._salt = 0
        self._active = Extent(0, 0)

    def append(self, entries: Sequence[Entry]) -> Extent:
        """Write and sync. Returns the segment with its new end.

        Raises OSError when nothing of `entries` may be acknowledged.
        """
        size = sum(encoded_bytes(header, payload) for header, payload in entries)
        full = self._active.end + size > self._segment_bytes and self._active.end > HEAD_BYTES
        if self._handle is None or full:
            self.rotate()
        assert self._handle is not None
        try:
            self._files.write(self._handle, self._buffers(entries))
            self._files.fdatasync(self._handle)
        except OSError:
            self._fail()
            raise
        self._active = Extent(self._active.number, self._active.end + size)
        return self._active

    def rotate(self) -> Extent:
        """Close the segment for good and begin the next. Raises OSError."""
        self.close()
        number = self._next_number
        self._next_number += 1
        path = path_of(self._directory, number)
        salt = secrets.randbits(64)
        handle = self._files.create(path)
        try:
            self._files.write(handle, [encode_head(number, salt)])
            self._files.fdatasync(handle)
            self._files.fsync_dir(self._directory)
        except OSError:
            self._close_quietly(handle)
            remove_quietly(self._files, path)
            raise
        self._handle, self._salt = handle, salt
        self._active = Extent(number, HEAD_BYTES)
        return self._active

    def close(self) -> None:
        """Close the segment for good. Everything acknowledged is durable already."""
        if self._handle is not None:
            self._close_quietly(self._handle)
            self._handle = None

    def _buffers(self, entries: Sequence[Entry]) -> list[bytes]:
        buffers: list[bytes] = []
        offset = self._active.end
        for header, payload in entries:
            buffers += (encode_prefix(header, payload, self._salt, offset), header, payload)
            offset += encoded_bytes(header, payload)
        return buffers

    def _fail(self) -> None:
        path = path_of(self._directory, self._active.number)
        self.close()
        if self._active.end == HEAD_BYTES:
            remove_quietly(self._files, path)
            return
        with contextlib.suppress(OSError):
            self._files.truncate(path, self._active.end)

    def _close_quietly(self, handle: int) -> None:
        with contextlib.suppress(OSError):
            self._files.close(handle)


def entry_of(frame: Frame) -> Entry:
    """A record of `frame` to be. Raises Poison when it is larger than one may be."""
    header = msgspec.msgpack.encode(frame.header)
    if len(header) > limits.HEADER_BYTES:
        raise Poison(f"frame header of {len(header)} bytes; the limit is {limits.HEADER_BYTES}")
    if len(frame.payload) > PAYLOAD_LIMIT_BYTES:
        raise Poison(f"frame of {len(frame.payload)} bytes; the limit is {PAYLOAD_LIMIT_BYTES}")
    return header, frame.payload
