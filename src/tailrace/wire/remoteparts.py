"""What remote write 1.0 and 2.0 share: their samples, native histograms, exemplars, and the account
of a body."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping
from itertools import islice

import msgspec

from tailrace.core import limits
from tailrace.core.errors import TooLarge
from tailrace.wire import series
from tailrace.wire.content import Content
from tailrace.wire.messages import classes, parsed
from tailrace.wire.remotehistograms import Native, native
from tailrace.wire.samplelines import WINDOW, SampleLines, number, tail
from tailrace.wire.series import Refused

# Samples as Prometheus writes them: a value, left out when it is 0, and milliseconds that take six
# bytes, as they do from 1971 to 2109.
_USUAL = re.compile(rb"\x12(?:\x10\t([\s\S]{8})|\x07)(\x10[\x80-\xff]{5}[\x00-\x7f])")
_ALL_USUAL = re.compile(rb"(?:%b)*" % _USUAL.pattern)
SAMPLE_BYTES, ZERO_SAMPLE_BYTES = 18, 9
ZERO = bytes(8)
_HEX = re.compile(r"[0-9a-fA-F]{1,32}")
_TRACE, _SPAN = ("trace_id", "traceID"), ("span_id", "spanID")
_MS = 1_000_000
_encoder = msgspec.json.Encoder()
_Sample = classes("remote_sample", {"Sample": [("value", 1, "double"), ("timestamp", 2, "int64")]})[
    "Sample"
]


class Written(msgspec.Struct):
    """What a body becomes. `refused` counts, by a key of series.REASONS, what it does not.

    `samples` are those that were sent as such, `exemplars` those that are kept. A body may hold
    none of anything, which is a success.
    """

    contents: list[Content]
    samples: int
    histograms: int
    exemplars: int
    refused: dict[str, int]

    def explain(self) -> str:
        """Why parts were refused, for a person; "" when none were."""
        return "; ".join(
            f"{count} refused: {series.REASONS[reason]}" for reason, count in self.refused.items()
        )


class Parts:
    """Takes the parts of a body one by one."""

    def __init__(self) -> None:
        self.lines = SampleLines()
        self._refused: dict[str, int] = {}
        self._odd = 0
        self._histograms = 0
        self._histogram_rows = 0
        # The newest histograms by the head that a sample of their series would have.
        self._natives: dict[bytes, Native] = {}
        self._native_rows = 0

    def refuse(self, reason: str) -> None:
        """Count something that is not taken."""
        self._refused[reason] = self._refused.get(reason, 0) + 1
        self.odd()

    def odd(self) -> None:
        """Count something that is passed over. Raises TooLarge ("density") for too many."""
        self._odd += 1
        if self._odd > limits.ODD_PARTS_PER_BODY:
            raise TooLarge(
                f"body holds more than {limits.ODD_PARTS_PER_BODY} parts that are no samples that "
                "could be stored",
                "density",
            )

    def sample(self, head: bytes, data: bytes) -> None:
        """One sample, in any form."""
        found = parsed(_Sample, data)
        try:
            self.lines.add(head, [tail(found.value, found.timestamp)])
        except Refused as refused:
            self.refuse(refused.reason)

    def usual_samples(self, head: bytes, data: bytes, start: int, end: int) -> None:
        """Samples of which `usual` said that they are."""
        found = _USUAL.finditer(data, start, end)
        while some := [(one[1] or ZERO) + one[2] for one in islice(found, WINDOW)]:
            self.lines.add(head, some)

    def histogram(
        self, head: bytes, labels: Mapping[str, str], data: bytes, kind: str = "", unit: str = ""
    ) -> None:
        """One native histogram of the series with these labels and this head."""
        try:
            found = native(labels, kind, unit, data)
        except Refused as refused:
            self.refuse(refused.reason)
            return
        rows = len(found.heads)
        self.lines.add_several(found.heads, found.tails)
        self._histograms += 1
        self._histogram_rows += rows
        # Exemplars find samples no farther back.
        if self._native_rows + rows > WINDOW:
            self._natives.clear()
            self._native_rows = 0
        self._natives[head] = found
        self._native_rows += rows

    def exemplar(self, head: bytes, labels: Mapping[str, str], value: float, time_ms: int) -> None:
        """One exemplar of the series with this head; of a histogram it is the bucket's that
        counts it. Raises Refused."""
        series.check(labels)
        if not 0 <= time_ms < 2**63 // _MS:
            raise Refused("time")
        attributes = dict(labels)
        trace, span = _identity(attributes, _TRACE), _identity(attributes, _SPAN)
        found: dict[str, object] = {"time": time_ms * _MS, "value": msgspec.Raw(_plain(value))}
        if trace:
            found["trace_id"] = trace
        if span:
            found["span_id"] = span
        if attributes:
            found["attributes"] = attributes
        self.odd()
        if histogram := self._natives.get(head):
            head = histogram.heads[bisect_left(histogram.bounds[:-1], value)]
        self.lines.explain(head, _encoder.encode(found))

    def written(self) -> Written:
        """All of it."""
        contents = self.lines.contents()
        samples = self.lines.rows - self._histogram_rows
        return Written(contents, samples, self._histograms, self.lines.exemplars, self._refused)


def usual(data: bytes, start: int, end: int) -> bool:
    """Whether nothing but samples in their usual form stands between two places."""
    return _ALL_USUAL.fullmatch(data, start, end) is not None


def _plain(value: float) -> bytes:
    return b'"NaN"' if value != value else number(value)


def _identity(attributes: dict[str, str], names: tuple[str, ...]) -> str:
    """The first of these attributes that is an id, taken out."""
    for name in names:
        if _HEX.fullmatch(attributes.get(name, "")):
            return attributes.pop(name).lower()
    return ""
