"""Prometheus remote write 2.0 to samples.

    Request    { 4: string symbols*, 5: TimeSeries* }
    TimeSeries { 1: uint32 labels_refs*, 2: Sample*, 3: Histogram*, 4: Exemplar*, 5: Metadata,
                 6: int64 created_timestamp }
    Sample     { 1: double value, 2: int64 milliseconds }
    Exemplar   { 1: uint32 labels_refs*, 2: double value, 3: int64 milliseconds }
    Metadata   { 1: type, 3: uint32 help_ref, 4: uint32 unit_ref }

References are indexes of `symbols`, of labels in pairs of name and value. When a counter or a
histogram was created is not stored, nor is what HELP says. For Histogram see remotehistograms.py.

Source: https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/
"""

from __future__ import annotations

from collections.abc import Sequence

from tailrace.core import limits
from tailrace.core.errors import TooLarge
from tailrace.wire import series
from tailrace.wire.fields import fields, varint
from tailrace.wire.messages import classes, parsed
from tailrace.wire.remoteparts import Parts, Written
from tailrace.wire.series import Refused

_SYMBOL, _SERIES = 0x22, 0x2A
_REFS, _REF, _SAMPLE, _HISTOGRAM, _EXEMPLAR, _METADATA = 0x0A, 0x08, 0x12, 0x1A, 0x22, 0x2A
# Counters, and the series of histograms and summaries, where their names say that they count.
_COUNTER, _GAUGE, _GAUGE_HISTOGRAM = 1, 2, 4
_KINDS = {_COUNTER: "counter", _GAUGE: "gauge", _GAUGE_HISTOGRAM: "gauge"}
# Name and value of each label, the metric's name included.
_MOST_REFS = 2 * (limits.LABELS_PER_SERIES + 1)

# More series, each with a sample, pass DECODED_BYTES; so nothing is lost by not reading them.
_MOST_FIELDS = limits.DECODED_BYTES // 64

_messages = classes(
    "remote_write_2",
    {
        "Exemplar": [("refs", 1, "uint32*"), ("value", 2, "double"), ("timestamp", 3, "int64")],
        "Metadata": [("type", 1, "int32"), ("help", 3, "uint32"), ("unit", 4, "uint32")],
    },
)


def decode(data: bytes) -> Written:
    """Samples of a Request. Raises InputError ("protobuf") and TooLarge."""
    symbols = _symbols(data)
    parts = Parts()
    for tag, inner, stop in fields(data, 0, len(data)):
        if tag == _SERIES:
            try:
                _Series(data, inner, stop, symbols).give(parts)
            except Refused as refused:
                parts.refuse(refused.reason)
        elif tag != _SYMBOL:
            parts.odd()
    return parts.written()


def _symbols(data: bytes) -> list[str | None]:
    """Texts by reference, None where one is not valid UTF-8."""
    found: list[str | None] = []
    for place, (tag, inner, stop) in enumerate(fields(data, 0, len(data))):
        if place == _MOST_FIELDS:
            raise TooLarge(f"body holds more than {_MOST_FIELDS} series; send fewer", "density")
        if tag == _SYMBOL:
            if len(found) == limits.SYMBOLS_PER_BODY:
                raise TooLarge(
                    f"body holds more than {limits.SYMBOLS_PER_BODY} symbols; send smaller batches",
                    "symbols",
                )
            found.append(_decoded(data[inner:stop]))
    return found


def _decoded(text: bytes) -> str | None:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return None


class _Series:
    """One TimeSeries between two places of `data`."""

    def __init__(self, data: bytes, start: int, stop: int, symbols: Sequence[str | None]) -> None:
        self._data = data
        self._span = (start, stop)
        self._symbols = symbols

    def give(self, parts: Parts) -> None:
        """Its samples and exemplars to `parts`. Raises Refused and InputError."""
        data = self._data
        labels, kind, unit = self._meaning()
        head = series.head(labels, kind, unit)
        exemplars: list[bytes] = []
        empty = True
        for tag, inner, stop in fields(data, *self._span):
            if tag == _SAMPLE:
                empty = False
                parts.sample(head, data[inner:stop])
            elif tag == _EXEMPLAR:
                exemplars.append(data[inner:stop])
                parts.odd()
            elif tag == _HISTOGRAM:
                empty = False
                parts.histogram(head, labels, data[inner:stop], kind, unit)
        if empty:
            parts.odd()
        for exemplar in exemplars:
            self._exemplar(parts, head, exemplar)

    def _meaning(self) -> tuple[dict[str, str], str, str]:
        """Labels, kind and unit. They may stand behind the samples, and in pieces."""
        data = self._data
        refs: list[int] = []
        kind, unit = "", ""
        for tag, inner, stop in fields(data, *self._span):
            if tag == _REFS:
                refs += _packed(data, inner, stop)
            elif tag == _REF:
                refs.append(varint(data, inner, stop)[0])
            elif tag == _METADATA:
                metadata = parsed(_messages["Metadata"], data[inner:stop])
                kind = _KINDS.get(metadata.type, "")
                unit = self._text(metadata.unit)
            if len(refs) > _MOST_REFS:
                raise Refused("labels")
        return self._labels(refs), kind, unit

    def _exemplar(self, parts: Parts, head: bytes, data: bytes) -> None:
        found = parsed(_messages["Exemplar"], data)
        try:
            if len(found.refs) > _MOST_REFS:
                raise Refused("labels")
            labels = self._labels(found.refs)
            parts.exemplar(head, labels, found.value, found.timestamp)
        except Refused as refused:
            parts.refuse(refused.reason)

    def _labels(self, refs: Sequence[int]) -> dict[str, str]:
        if len(refs) % 2:
            raise Refused("label_refs")
        texts = [self._text(ref) for ref in refs]
        labels = dict(zip(texts[::2], texts[1::2], strict=True))
        if 2 * len(labels) != len(refs):
            raise Refused("label_twice")
        return labels

    def _text(self, ref: int) -> str:
        if ref >= len(self._symbols):
            raise Refused("label_refs")
        text = self._symbols[ref]
        if text is None:
            raise Refused("utf8")
        return text


def _packed(data: bytes, position: int, stop: int) -> list[int]:
    """Numbers of a packed field; no more than are asked for."""
    found: list[int] = []
    while position < stop and len(found) <= _MOST_REFS:
        number, position = varint(data, position, stop)
        found.append(number & 0xFFFFFFFF)
    return found
