"""Prometheus remote write 1.0 to samples.

    WriteRequest   { 1: TimeSeries*, 3: MetricMetadata* }
    TimeSeries     { 1: Label*, 2: Sample*, 3: Exemplar*, 4: Histogram* }
    Label          { 1: name, 2: value }
    Sample         { 1: double value, 2: int64 milliseconds }
    Exemplar       { 1: Label*, 2: double value, 3: int64 milliseconds }

For Histogram see remotehistograms.py.

Source: https://prometheus.io/docs/specs/prw/remote_write_spec/. Prometheus sends a series with one
sample, again and again; see knownseries.py for how those pass. Metadata come in requests of their
own and belong to no series, so they are passed over: a metric is a counter by its name.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tailrace.core import limits
from tailrace.core.errors import InputError
from tailrace.wire import series
from tailrace.wire.fields import field, fields, malformed
from tailrace.wire.knownseries import RUN, Known, KnownSeries, Run
from tailrace.wire.messages import classes, parsed
from tailrace.wire.remoteparts import SAMPLE_BYTES, ZERO, ZERO_SAMPLE_BYTES, Parts, Written, usual
from tailrace.wire.samplelines import WINDOW, Unusual
from tailrace.wire.series import Refused

_SERIES = _LABEL = 0x0A
_SAMPLE, _EXEMPLAR, _HISTOGRAM = 0x12, 0x1A, 0x22
# The forms of the one sample of a known series: its length, what is the same each time, and what
# stands for a value that is left out.
_FORMS = ((SAMPLE_BYTES, b"\x12\x10\t", b""), (ZERO_SAMPLE_BYTES, b"\x12\x07", ZERO))
# A series beyond this is walked, not parsed: as objects it would take many times its size.
_SHORT_BYTES = 64 * limits.KIB
# The name is a label here.
_LABELS = limits.LABELS_PER_SERIES + 1

_messages = classes(
    "remote_write",
    {
        "Label": [("name", 1, "bytes"), ("value", 2, "bytes")],
        "Labels": [
            ("labels", 1, "Label*"),
            ("samples", 2, "bytes*"),
            ("exemplars", 3, "bytes*"),
            ("histograms", 4, "bytes*"),
        ],
        "Exemplar": [("labels", 1, "Label*"), ("value", 2, "double"), ("timestamp", 3, "int64")],
    },
)


def decode(data: bytes, known: KnownSeries) -> Written:
    """Samples of a WriteRequest. Raises InputError ("protobuf") and TooLarge."""
    try:
        return _Reader(known).read(data)
    except Unusual:
        return _Reader(None).read(data)


class _Reader:
    """Without `known` series every sample is read by itself, whatever its form."""

    def __init__(self, known: KnownSeries | None) -> None:
        self._known = known
        self._parts = Parts()

    def read(self, data: bytes) -> Written:
        lines = self._parts.lines
        heads, tails = lines.heads, lines.tails
        starts, end = data.startswith, len(data)
        position = 0
        last = Known(b"", 0, b"", b"")
        walked: list[Known] = []
        while position < end:
            if len(heads) > WINDOW - RUN:
                lines.settle()
            entry = last.next
            if entry is None or not starts(entry.bytes_, position):
                position, entry = self._other(data, position, end)
                if entry is None:
                    walked.clear()
                    continue
                last.next = entry
            if run := entry.run:
                walked.clear()
                if found := run.tails(data, position):
                    heads += run.heads
                    tails += found
                    position += run.size
                    last = run.last
                    continue
                entry.run = None
            start = position + entry.size
            position = start + entry.tail
            heads.append(entry.head)
            tails.append(entry.pad + data[start:position])
            last = entry
            walked.append(entry)
            if len(walked) == RUN:
                walked[0].run = Run(walked)
                walked.clear()
        if position > end:
            raise malformed()
        return self._parts.written()

    def _other(self, data: bytes, position: int, end: int) -> tuple[int, Known | None]:
        """The series at `position`, if it is of the known kind; else what is there is taken, and
        where it ends."""
        tag, inner, stop = field(data, position, end)
        if tag != _SERIES:
            self._parts.odd()
            return stop, None
        try:
            if self._known is not None and (found := self._find(data, position, inner, stop)):
                return position, found
            self._any_series(data, inner, stop)
        except Refused as refused:
            self._parts.refuse(refused.reason)
        return stop, None

    def _find(self, data: bytes, position: int, inner: int, stop: int) -> Known | None:
        """A series with one sample, in the usual form, behind its labels."""
        assert self._known is not None
        for sample, common, pad in _FORMS:
            place = stop - sample
            before = len(common)
            if found := self._known.find(data[position : place + before]):
                return found
            if not (0 <= place - inner <= _SHORT_BYTES and data.startswith(common, place)):
                continue
            if not usual(data, place, stop):
                continue
            try:
                labels = parsed(_messages["Labels"], data[inner:place])
            except InputError:  # no sample begins here, or `_any_series` says what is wrong
                continue
            if not (labels.samples or labels.exemplars or labels.histograms):
                head = series.head(_texts(labels.labels))
                found = Known(data[position : place + before], sample - before, pad, head)
                self._known.add(found)
                return found
        return None

    def _any_series(self, data: bytes, position: int, stop: int) -> None:
        """A series whose parts come in any form and order."""
        labels: list[Any] = []
        place = position
        for tag, inner, end in fields(data, position, stop):
            if tag != _LABEL:
                if usual(data, place, stop):
                    break
                continue
            if len(labels) == _LABELS:
                raise Refused("labels")
            labels.append(parsed(_messages["Label"], data[inner:end]))
            place = end
        texts = _texts(labels)
        head = series.head(texts)
        if place == stop:
            self._parts.odd()
        if self._known is not None and usual(data, place, stop):
            self._parts.usual_samples(head, data, place, stop)
            return
        exemplars: list[bytes] = []
        for tag, inner, end in fields(data, position, stop):
            if tag == _SAMPLE:
                self._parts.sample(head, data[inner:end])
            elif tag == _EXEMPLAR:
                exemplars.append(data[inner:end])
                self._parts.odd()
            elif tag == _HISTOGRAM:
                self._parts.histogram(head, texts, data[inner:end])
            elif tag != _LABEL:
                self._parts.odd()
        for exemplar in exemplars:
            self._exemplar(head, exemplar)

    def _exemplar(self, head: bytes, data: bytes) -> None:
        found = parsed(_messages["Exemplar"], data)
        try:
            self._parts.exemplar(head, _texts(found.labels), found.value, found.timestamp)
        except Refused as refused:
            self._parts.refuse(refused.reason)


def _texts(labels: Iterable[Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    count = 0
    try:
        for label in labels:
            found[label.name.decode()] = label.value.decode()
            count += 1
    except UnicodeDecodeError:
        raise Refused("utf8") from None
    if len(found) != count:
        raise Refused("label_twice")
    return found
