r"""Many samples to lines at once, each from the head of its series, a value and a time.

A sample waits as 15 bytes, which is how Prometheus' own messages end: the value as a little-endian
double, and "\x10" with the milliseconds as a varint of six bytes. So nothing is done for a single
sample where thousands can be done by one call.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain

import msgspec

from tailrace.core import limits
from tailrace.core.frame import Codec, Signal
from tailrace.wire.content import Content
from tailrace.wire.fitting import check_decoded
from tailrace.wire.series import VALUE, Refused

# Lines are made for so many samples at a time: more gains nothing, and waits in memory.
WINDOW = 2_048
_TAIL = struct.Struct("<d7s")
_TIME_BITS = 42
_MS = 1_000_000
_DOUBLE = struct.Struct("<d")
# The NaN by which Prometheus says that a series has ended.
_STALE = 0x7FF0000000000002.to_bytes(8, "little")
(STALE,) = _DOUBLE.unpack(_STALE)
_encoder = msgspec.json.Encoder()


class Unusual(Exception):
    """The last seven bytes of a tail are not as `tail` writes them."""


def tail(value: float, time_ms: int) -> bytes:
    """A sample as it waits. Raises Refused ("time") outside (1970, 2109)."""
    return _TAIL.pack(value, _end(time_ms))


def tails(values: Iterable[float], time_ms: int) -> list[bytes]:
    """The same for several of one time."""
    end = _end(time_ms)
    return [_TAIL.pack(value, end) for value in values]


def _end(time_ms: int) -> bytes:
    if not 0 < time_ms < 1 << _TIME_BITS:
        raise Refused("time")
    groups = [time_ms >> shift & 0x7F for shift in range(0, _TIME_BITS, 7)]
    return bytes([0x10, *(group | 0x80 for group in groups[:-1]), groups[-1]])


def is_stale(value: float) -> bool:
    """Whether this is the marker of Prometheus, and no other NaN."""
    return value != value and _DOUBLE.pack(value) == _STALE


class _Times(dict[bytes, bytes]):
    """The end of a line by the end of a tail. Raises Unusual."""

    def __missing__(self, end: bytes) -> bytes:
        usual = end[0] == 0x10 and end[6] < 0x80 and min(end[1:6]) >= 0x80
        time_ms = sum((group & 0x7F) << 7 * place for place, group in enumerate(end[1:]))
        if not (usual and time_ms):
            raise Unusual
        found = self[end] = b',"time":%d}\n' % (time_ms * _MS)
        return found


class SampleLines:
    """Collects samples within DECODED_BYTES; `contents` ends it.

    `heads` and `tails` go together, place by place; whoever adds to them calls `settle` before
    there are more than WINDOW.
    """

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.tails: list[bytes] = []
        self.rows = 0
        self.exemplars = 0
        self._lost_exemplars = 0
        self._waiting: list[tuple[bytes, bytes]] = []
        self._times = _Times()
        self._bytes = 0
        self._contents: list[Content] = []
        self._parts: list[bytes] = []
        self._part_rows = 0
        self._part_bytes = 0

    def add(self, head: bytes, tails: Sequence[bytes]) -> None:
        """Samples of one series."""
        for start in range(0, len(tails), WINDOW):
            some = tails[start : start + WINDOW]
            if len(self.heads) + len(some) > WINDOW:
                self.settle()
            self.heads += [head] * len(some)
            self.tails += some

    def add_several(self, heads: Sequence[bytes], tails: Sequence[bytes]) -> None:
        """Samples of several series, at most WINDOW."""
        if len(self.heads) + len(heads) > WINDOW:
            self.settle()
        self.heads += heads
        self.tails += tails

    def explain(self, head: bytes, exemplar: bytes) -> None:
        """An exemplar, as JSON, for the newest sample of this series within the window."""
        self._waiting.append((head, exemplar))
        if len(self._waiting) > WINDOW:
            self.settle()

    def settle(self) -> None:
        """Make lines of what waits. Raises TooLarge ("expanded") and Unusual."""
        if self._waiting:
            self._attach()
        if not self.heads:
            return
        self._bytes += sum(map(len, self.heads)) + 32 * len(self.heads)
        check_decoded(self._bytes, "labels repeated for each sample")
        values, ends = _halves(len(self.tails))
        tails = b"".join(self.tails)
        times = map(self._times.__getitem__, ends.unpack(tails))
        lines = zip(self.heads, _texts(values.unpack(tails)), times, strict=True)
        self._take(b"".join(chain.from_iterable(lines)), len(self.heads))
        self.heads.clear()
        self.tails.clear()

    def contents(self) -> list[Content]:
        """All lines, in contents that each fit a frame where a window of them does."""
        self.settle()
        self._close()
        if self._contents and self._lost_exemplars:
            self._contents[-1].repaired = {"exemplar": self._lost_exemplars}
        return self._contents

    def _attach(self) -> None:
        """Put exemplars into the heads of their samples; those without one are lost, and counted.

        Prometheus sends them as series of their own, behind the samples of the same scrape.
        """
        newest = {head: place for place, head in enumerate(self.heads)}
        found: dict[int, list[bytes]] = {}
        for head, exemplar in self._waiting:
            place = newest.get(head)
            if place is None or len(found.get(place, ())) == limits.EXEMPLARS_PER_SAMPLE:
                self._lost_exemplars += 1
            else:
                found.setdefault(place, []).append(exemplar)
        for place, exemplars in found.items():
            start = self.heads[place].removesuffix(VALUE)
            self.heads[place] = start + b',"exemplars":[%s]' % b",".join(exemplars) + VALUE
            self.exemplars += len(exemplars)
        self._waiting.clear()

    def _take(self, lines: bytes, rows: int) -> None:
        full = self._part_bytes + len(lines) > limits.FRAME_BYTES
        if full or self._part_rows + rows > limits.FRAME_ROWS:
            self._close()
        self._parts.append(lines)
        self._part_bytes += len(lines)
        self._part_rows += rows
        self.rows += rows

    def _close(self) -> None:
        if self._parts:
            data = b"".join(self._parts)
            rows = self._part_rows
            self._contents.append(Content(Codec.RECORDS, data, rows, signal=Signal.METRICS))
        self._parts, self._part_bytes, self._part_rows = [], 0, 0


@lru_cache(8)
def _halves(count: int) -> tuple[struct.Struct, struct.Struct]:
    """What unpacks the values, and the ends, of so many tails."""
    return struct.Struct("<" + "d7x" * count), struct.Struct("<" + "8x7s" * count)


def _texts(values: Sequence[float]) -> list[bytes]:
    """Values as JSON; those that JSON cannot say are strings, see wire/samples.py."""
    texts = _encoder.encode(values)[1:-1].split(b",")
    if b"null" in texts:
        texts = [
            number(value) if text == b"null" else text
            for text, value in zip(texts, values, strict=True)
        ]
    return texts


def number(value: float) -> bytes:
    """One value as JSON; a stale marker of Prometheus says so."""
    if value != value:
        return b'"NaN","stale":true' if is_stale(value) else b'"NaN"'
    if value in (float("inf"), float("-inf")):
        return b'"+Inf"' if value > 0 else b'"-Inf"'
    return _encoder.encode(value)
