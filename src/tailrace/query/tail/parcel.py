"""Messages: what passed, encoded once for all who follow a query in one form."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from tailrace.core import limits
from tailrace.query.logs.entries import CATEGORIZE, Entry, streams

_NOTHING_DROPPED = ',"dropped_entries":[]}'
# Of an entry beside its line: the time, quotes and brackets.
_ENTRY_BYTES = 32
Labels = Mapping[str, str]


class Parcel:
    """One message of `rows` lines. `newest` has the newest time of each of its streams.

    `bytes` is what it takes in memory, `holders` how many outlets hold it.
    """

    def __init__(self, entries: Sequence[Entry], categorize: bool) -> None:
        self.rows = len(entries)
        message: dict[str, Any] = {"encodingFlags": [CATEGORIZE]} if categorize else {}
        message["streams"] = found = streams(entries, categorize)
        self.newest: list[tuple[Labels, int]] = [
            (one["stream"], int(one["values"][-1][0])) for one in found
        ]
        self._text = msgspec.json.encode(message)[:-1].decode() + _NOTHING_DROPPED
        self.bytes = sys.getsizeof(self._text)
        self.holders = 0

    def text(self, dropped: str = "") -> str:
        """The message; `dropped` is the text of `Dropped`."""
        return self._text.removesuffix(_NOTHING_DROPPED) + dropped if dropped else self._text


def parcels(entries: Sequence[Entry], categorize: bool) -> Iterator[Parcel]:
    """Entries in the order of their times as messages, each within TAIL_ROWS and about
    TAIL_MESSAGE_BYTES."""
    ordered = sorted(entries, key=lambda one: one.time_ns)
    first, size = 0, 0
    for place, one in enumerate(ordered):
        size += len(one.line) + _ENTRY_BYTES
        if size >= limits.TAIL_MESSAGE_BYTES or place - first + 1 == limits.TAIL_ROWS:
            yield Parcel(ordered[first : place + 1], categorize)
            first, size = place + 1, 0
    if first < len(ordered):
        yield Parcel(ordered[first:], categorize)


def only_dropped(dropped: str) -> str:
    """A message without lines."""
    return '{"streams":[]' + dropped


class Dropped:
    """What a follower did not get since it was last told.

    Of lines that were read, the streams are told, each with its newest time, up to
    TAIL_DROPPED_ENTRIES of them; of those that were not, a reason and how many.
    """

    def __init__(self) -> None:
        self._lines = 0
        self._newest: dict[tuple[tuple[str, str], ...], int] = {}
        self._reasons: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._lines or self._reasons)

    def parcel(self, parcel: Parcel) -> None:
        """A message that there was no room for."""
        self._lines += parcel.rows
        for found, time_ns in parcel.newest:
            key = tuple(found.items())
            if key in self._newest or len(self._newest) < limits.TAIL_DROPPED_ENTRIES:
                self._newest[key] = max(time_ns, self._newest.get(key, 0))

    def unread(self, reason: str, lines: int) -> None:
        """Lines that nobody looked at. `reason` is a constant of the code."""
        self._lines += lines
        self._reasons[reason] = self._reasons.get(reason, 0) + lines

    def told(self, now_ns: int) -> str:
        """The end of a message that tells it, and forget it; "" when nothing was dropped."""
        if not self:
            return ""
        entries: list[dict[str, Any]] = [
            {"labels": dict(key), "timestamp": str(time_ns)}
            for key, time_ns in self._newest.items()
        ]
        for reason, lines in self._reasons.items():
            said = f"{lines} {reason}" if lines else reason
            entries.append({"labels": {"reason": said}, "timestamp": str(now_ns)})
        told = {"dropped_entries": entries, "dropped_lines": self._lines}
        self._lines, self._newest, self._reasons = 0, {}, {}
        return "," + msgspec.json.encode(told).decode()[1:]
