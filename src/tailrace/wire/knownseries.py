"""Series that came before: a scrape repeats the same labels every few seconds.

A series is known by its bytes as a 1.0 request holds them, from its tag to the value of its one
sample: they say how long the message is and where everything stands. So bytes that are known need
no reading again, nor any check. What followed a series last time mostly follows it again, so whole
runs of them are compared at once.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from operator import add

from tailrace.core import limits

# What an entry takes beside its bytes: objects, its place in the table and in a run.
_ENTRY_BYTES = 450
# So many unknown ones for each known, and the known ones are out of date.
_PATIENCE = 4
# Of a longer run it is more likely that one of its series is not as it was.
RUN = 32


class Known:
    """`size` bytes of `bytes_`, then `tail` bytes of a sample, to be put behind `pad`.

    `head` is the start of its line. `next` is the series that followed last time, `run` the whole
    of what came from here on.
    """

    __slots__ = ("bytes_", "head", "next", "pad", "run", "size", "tail")

    def __init__(self, bytes_: bytes, tail: int, pad: bytes, head: bytes) -> None:
        self.bytes_ = bytes_
        self.size = len(bytes_)
        self.tail = tail
        self.pad = pad
        self.head = head
        self.next: Known | None = None
        self.run: Run | None = None


class Run:
    """Series that came one after the other: `size` bytes that are taken apart by one call."""

    __slots__ = ("_bytes", "_pads", "_parts", "heads", "last", "size")

    def __init__(self, entries: Sequence[Known]) -> None:
        self.heads = [entry.head for entry in entries]
        self.last = entries[-1]
        self._parts = struct.Struct("".join(f"{entry.size}s{entry.tail}s" for entry in entries))
        self.size = self._parts.size
        self._bytes = tuple(entry.bytes_ for entry in entries)
        pads = [entry.pad for entry in entries]
        self._pads = pads if any(pads) else None

    def tails(self, data: bytes, position: int) -> Sequence[bytes] | None:
        """Their samples, if they come again at `position`."""
        if position + self.size > len(data):
            return None
        parts = self._parts.unpack_from(data, position)
        if parts[::2] != self._bytes:
            return None
        return parts[1::2] if self._pads is None else list(map(add, self._pads, parts[1::2]))


class KnownSeries:
    """Holds at most `limit_bytes`; used from several threads.

    When it is full the old ones stay: were the oldest to go, as many series as do not fit, sent in
    turns, would find nothing. When most of what comes is not known, it starts again.
    """

    def __init__(self, limit_bytes: int = limits.KNOWN_SERIES_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._entries: dict[bytes, Known] = {}
        self._bytes = 0
        self._turned_away = 0

    def find(self, bytes_: bytes) -> Known | None:
        return self._entries.get(bytes_)

    def add(self, known: Known) -> None:
        """Remember a series, if there is room."""
        size = known.size + len(known.head) + _ENTRY_BYTES
        if self._bytes + size > self._limit_bytes:
            self._turned_away += 1
            if self._turned_away <= _PATIENCE * len(self._entries):
                return
            self._clear()
        if size > self._limit_bytes:
            return
        self._bytes += size
        self._entries[known.bytes_] = known

    def _clear(self) -> None:
        entries, self._entries = self._entries, {}
        self._bytes = self._turned_away = 0
        # The entries hold one another in circles.
        for entry in entries.values():
            entry.next = entry.run = None

    def __len__(self) -> int:
        return len(self._entries)
