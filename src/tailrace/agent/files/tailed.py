"""One tailed file: which bytes come next, and whether it is still the file that was read.

A file that was truncated and written again, to whatever length, no longer holds the bytes that
were read before the offset; their hashes say so.
"""

from __future__ import annotations

import os
from collections import deque

from tailrace.agent.checkpoints import Mark
from tailrace.agent.files import fingerprint
from tailrace.agent.files.contents import Content
from tailrace.agent.files.events import Events
from tailrace.agent.inputs import Files
from tailrace.agent.source import Buffer, Piece
from tailrace.core import limits
from tailrace.core.frame import Codec
from tailrace.wire.split import split
from tailrace.wire.text import boundary

TEXT_BYTES = 4096
CUT_MARK = " …[cut]".encode()
# Places that were reached before: a copy of the file may end at one of them.
_TRAIL = 8


class NotText(Exception):
    """The file begins with a block that holds a NUL."""


class Truncated(Exception):
    """The file no longer holds what was read of it."""


class TailedFile:
    """`mark` is how far the spool holds the file, `ahead` how far it was read.

    `place` is where it is now, `mark.path` where it was first seen. `left_s`: since when its name
    is gone or taken by another file. `final`: it will not grow. `content` is None while it is
    closed, `size` what it was when it was last looked at. `held`: its last lines wait for more.
    `hole`: it was truncated under a writer that does not append, so it may begin with NULs.
    `ended_s`: when it was last known to be read to its end. `closed_ns`: of one that was closed
    before anything was read of it, when a name in its folder had come or gone last.
    """

    def __init__(
        self,
        place: str,
        key: str,
        source: Files,
        mark: Mark,
        now_s: float,
        events: Events | None = None,
    ) -> None:
        """`events`: of the input, where a row may be several lines."""
        self.place = place
        self.key = key
        self.input = source
        self.mark = mark
        self.ahead = mark
        self.trail: deque[Mark] = deque(maxlen=_TRAIL)
        self.left_s: float | None = None
        self.present = True
        self.final = False
        self.grew_s = now_s
        self.ended_s = now_s
        self.taken_s = float("-inf")
        self.content: Content | None = None
        self.size = 0
        self.held = False
        self.seen: tuple[int, int] | None = None  # size and mtime when read to the end
        self._text = mark.offset > 0
        self._changed_ns = mark.changed_ns
        self.hole = False
        self.closed_ns = 0
        self._events = events
        self._codec = Codec.RECORDS if source.codec == "records" else Codec.LINES
        name = os.path.splitext(os.path.basename(mark.path))[0]
        self._resource = {"service.name": name, "log.file.path": mark.path}

    def commit(self, after: Mark) -> None:
        """The spool holds everything up to `after`, durably."""
        self.trail.append(after)
        self.mark = after

    def reset(self) -> None:
        """Forget what was read ahead of the mark."""
        self.ahead = self.mark
        self.seen = None

    def begin(self, mark: Mark) -> None:
        """Begin to read it at `mark`, before anything was read."""
        self.mark = self.ahead = mark
        self._text = mark.offset > 0

    def rewind(self) -> None:
        """It holds something else now: read it from its beginning."""
        self.mark = Mark(self.mark.path, changed_ns=self._changed_ns)
        self.hole = True
        self.trail.clear()
        self.reset()

    def waited(self, now_s: float) -> bool:
        """Whether the last lines have waited for more as long as they should."""
        return now_s - self.grew_s >= self.input.multiline_wait

    def read(self, size: int, buffer: bytearray, now_s: float) -> Piece | None:
        """Up to `size` bytes of whole lines; None when there is nothing new.

        They are read into `buffer`, which is used again and again: a fresh megabyte costs more
        in page faults than it costs to fill. When `final` is set the file will not grow, so an
        unfinished last line counts as a line.
        Raises NotText, Truncated, OSError.
        """
        assert self.content is not None
        if self._events and self._events.checked:
            size = min(size, 2 * limits.LINE_BYTES)  # a record is several times its line
        status = self.content.status()
        length = self.content.size(status)
        start = self.ahead
        self.content.fill(buffer, max(0, min(size, length - start.offset)), start.offset)
        # Asked after it was filled: what is in the buffer is of the file that was read.
        if not fingerprint.holds(self.content, length, start):
            raise Truncated
        self._changed_ns = status.st_mtime_ns
        self.seen = (status.st_size, status.st_mtime_ns) if len(buffer) < size else None
        if self.hole and not start.offset and buffer[:1] == b"\0":
            return self._over_hole(start, buffer)
        if not self._text and buffer:
            if b"\0" in buffer[:TEXT_BYTES]:
                raise NotText
            self._text = True
        piece = self._piece(start, buffer, size, now_s)
        if piece is not None:
            self.ahead = piece.after
        return piece

    def _over_hole(self, start: Mark, data: bytearray) -> Piece:
        self.seen = None
        self.ahead = self._after(start, data, len(data) - len(data.lstrip(b"\0")))
        return self._of(b"", 0, self.ahead)

    def _piece(self, start: Mark, data: bytearray, size: int, now_s: float) -> Piece | None:
        assert self.content is not None
        whole = self.final or self.content.ended
        if start.cutting:
            newline = data.find(b"\n")
            taken = newline + 1 if newline >= 0 else len(data)
            if newline >= 0:
                self.seen = None
            after = self._after(start, data, taken, cutting=newline < 0 and not whole)
            return self._of(b"", 0, after) if taken or after != start else None
        newline = data.rfind(b"\n")
        if newline >= 0:
            if whole and newline + 1 < len(data):
                self.seen = None  # what is behind it is a line too
            del data[newline + 1 :]
            return self._lines(start, data, whole or self.waited(now_s))
        if len(data) == size:
            head = bytes(data[: limits.LINE_BYTES])
            kept = head[: boundary(head, limits.LINE_BYTES - len(CUT_MARK))]
            after = self._after(start, data, size, cutting=True)
            return self._of(kept + CUT_MARK + b"\n", 1, after, line_length=1)
        if whole and data:
            return self._rows(start, bytes(data) + b"\n", len(data), 1)
        return None

    def _of(self, data: Buffer, rows: int, after: Mark, **repaired: int) -> Piece:
        return Piece(
            data, rows, self._codec, resource=self._resource, repaired=repaired, after=after
        )

    def _lines(self, start: Mark, data: Buffer, last: bool) -> Piece | None:
        """`last`: no line is waited for that may belong to these."""
        rows = data.count(b"\n")
        if rows > limits.FRAME_ROWS:
            self.seen, last = None, False
            data = split(bytes(data))[0]
            rows = data.count(b"\n")
        self.held = False
        if self._events and not last:
            end = self._events.complete(bytes(data))
            self.held = end < len(data)
            data = data[:end]
            if not end:
                return None
            rows = data.count(b"\n") if self.held else rows
        return self._rows(start, data, len(data), rows)

    def _rows(self, start: Mark, data: Buffer, taken: int, lines: int) -> Piece:
        after = self._after(start, data, taken)
        if self._events is None:
            return self._of(data, lines, after)
        content = self._events.rows(bytes(data), lines)
        if content is None:
            return self._of(b"", 0, after)
        return Piece(
            content.data,
            content.rows,
            content.codec,
            hints=content.hints,
            checked=self._events.checked,
            resource=self._resource,
            repaired=content.repaired,
            after=after,
        )

    def _after(self, start: Mark, data: Buffer, taken: int, cutting: bool = False) -> Mark:
        """The mark after the first `taken` bytes of what was read from `start` on."""
        assert self.content is not None
        with memoryview(data) as view:  # no copy, and none is held when the buffer is filled again
            read = view[:taken]
            return fingerprint.mark_after(self.content, start, read, self._changed_ns, cutting)

    def close(self) -> None:
        """Let go of the descriptor."""
        if self.content is not None:
            self.content.close()
            self.content = None
