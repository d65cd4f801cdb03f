"""One tailed file: which bytes come next, and whether it is still the file that was read.

A file that was truncated and written again, to whatever length, no longer holds the bytes that
were read before the offset; their hashes say so, and it is read from its beginning.
"""

from __future__ import annotations

import os
from pathlib import Path

import xxhash

from tailrace.agent.checkpoints import Mark
from tailrace.agent.inputs import Files
from tailrace.agent.source import Buffer, Piece
from tailrace.core import limits, log
from tailrace.core.frame import Codec
from tailrace.wire.split import split
from tailrace.wire.text import boundary

_log = log.get("agent")
HEAD_BYTES = 256
TAIL_BYTES = 64
TEXT_BYTES = 4096
CUT_MARK = " …[cut]".encode()


class NotText(Exception):  # noqa: N818 - reads as the condition it reports
    """The file begins with a block that holds a NUL."""


class TailedFile:
    """`mark` is how far the spool holds the file, `ahead` how far it was read.

    `place` is where it is now, `mark.path` where it was first seen. `left_s`: since when its name
    is gone or taken by another file. `descriptor` is None while it is closed. `ended_s`: when it
    was last known to be read to its end.
    """

    def __init__(self, place: str, key: str, source: Files, mark: Mark, now_s: float) -> None:
        self.place = place
        self.key = key
        self.input = source
        self.mark = mark
        self.ahead = mark
        self.left_s: float | None = None
        self.present = True
        self.final = False
        self.grew_s = now_s
        self.ended_s = now_s
        self.taken_s = float("-inf")
        self.descriptor: int | None = None
        self.seen: tuple[int, int] | None = None  # size and mtime when read to the end
        self._text = mark.offset > 0
        self._codec = Codec.RECORDS if source.codec == "records" else Codec.LINES
        self._resource = {"service.name": Path(mark.path).stem, "log.file.path": mark.path}

    def commit(self, after: Mark) -> None:
        """The spool holds everything up to `after`, durably."""
        self.mark = after

    def reset(self) -> None:
        """Forget what was read ahead of the mark."""
        self.ahead = self.mark
        self.seen = None

    def read(self, size: int, buffer: bytearray) -> Piece | None:
        """Up to `size` bytes of whole lines; None when there is nothing new.

        They are read into `buffer`, which is used again and again: a fresh megabyte costs more
        in page faults than it costs to fill. When `final` is set the file will not grow, so an
        unfinished last line counts as a line.
        Raises NotText, OSError.
        """
        assert self.descriptor is not None
        status = os.fstat(self.descriptor)
        start = self._start(status.st_size)
        _fill(buffer, self.descriptor, min(size, status.st_size - start.offset), start.offset)
        self.seen = (status.st_size, status.st_mtime_ns) if len(buffer) < size else None
        if not self._text and buffer:
            if b"\0" in buffer[:TEXT_BYTES]:
                raise NotText
            self._text = True
        piece = self._piece(start, buffer, size)
        if piece is not None:
            self.ahead = piece.after
        return piece

    def _piece(self, start: Mark, data: bytearray, size: int) -> Piece | None:
        if start.cutting:
            newline = data.find(b"\n")
            taken = newline + 1 if newline >= 0 else len(data)
            if newline >= 0:
                self.seen = None
            after = self._after(start, taken, cutting=newline < 0 and not self.final)
            return self._of(b"", 0, after) if taken or after != start else None
        newline = data.rfind(b"\n")
        if newline >= 0:
            del data[newline + 1 :]
            return self._lines(start, data)
        if len(data) == size:
            head = bytes(data[: limits.LINE_BYTES])
            kept = head[: boundary(head, limits.LINE_BYTES - len(CUT_MARK))]
            after = self._after(start, size, cutting=True)
            line = kept + CUT_MARK + b"\n"
            return self._of(line, 1, after, line_length=1)
        if self.final and data:
            return self._of(data + b"\n", 1, self._after(start, len(data)))
        if start is not self.ahead:
            self.ahead = start
            return self._of(b"", 0, start)
        return None

    def _of(self, data: Buffer, rows: int, after: Mark, **repaired: int) -> Piece:
        return Piece(data, rows, after, self._codec, resource=self._resource, repaired=repaired)

    def _lines(self, start: Mark, data: bytearray) -> Piece:
        rows = data.count(b"\n")
        if rows <= limits.FRAME_ROWS:
            return self._of(data, rows, self._after(start, len(data)))
        self.seen = None
        part = split(bytes(data))[0]
        return self._of(part, part.count(b"\n"), self._after(start, len(part)))

    def _after(self, start: Mark, taken: int, cutting: bool = False) -> Mark:
        offset = start.offset + taken
        return self.marked(
            offset, start.path, start if start.offset >= HEAD_BYTES else None, cutting
        )

    def marked(
        self, offset: int, path: str, same_head: Mark | None = None, cutting: bool = False
    ) -> Mark:
        """The mark at `offset` of the file as it is now."""
        head = same_head.head if same_head else self._hash(0, min(HEAD_BYTES, offset))
        before = min(TAIL_BYTES, offset)
        return Mark(path, offset, head, self._hash(offset - before, before), cutting)

    def _start(self, size: int) -> Mark:
        if self.holds(self.ahead, size):
            return self.ahead
        _log.warning("file was truncated; reading it again", extra={"path": self.place})
        return Mark(self.ahead.path)

    def holds(self, mark: Mark, size: int) -> bool:
        """Whether the bytes that `mark` covers are still in the file."""
        if mark.offset == 0:
            return True
        before = min(TAIL_BYTES, mark.offset)
        return (
            size >= mark.offset
            and self._hash(0, min(HEAD_BYTES, mark.offset)) == mark.head
            and self._hash(mark.offset - before, before) == mark.tail
        )

    def _hash(self, start: int, length: int) -> int:
        assert self.descriptor is not None
        return xxhash.xxh3_64_intdigest(os.pread(self.descriptor, length, start))

    def close(self) -> None:
        """Let go of the descriptor."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


def _fill(buffer: bytearray, descriptor: int, size: int, offset: int) -> None:
    """Make `buffer` the at most `size` bytes at `offset`."""
    if len(buffer) < size:
        buffer.extend(bytes(size - len(buffer)))
    del buffer[size:]
    del buffer[os.preadv(descriptor, [buffer], offset) :]
