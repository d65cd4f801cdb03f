"""OTLP metrics to samples, as core/sample.py has them: each data point becomes its series' samples.

A sample has the attributes of its point, the parts of the resource that are labels, and the name
of the scope. How points become samples is in points.py, and wire/buckets.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import msgspec

from tailrace.core import limits
from tailrace.core.errors import InputError, TooLarge
from tailrace.core.frame import Signal
from tailrace.core.sample import NAME_CHARACTERS, Sample, labels_of
from tailrace.wire.otlp.form import (
    TIMES_END,
    Form,
    batches,
    first,
    number_of,
    refused,
    resource_of,
    texts,
)
from tailrace.wire.otlp.json import JsonForm, Message, Resource, Scope
from tailrace.wire.otlp.kept import Export, Kept
from tailrace.wire.otlp.points import MESSAGES, SAMPLES, Series

_DATA = ("gauge", "sum", "histogram", "exponential_histogram", "summary")
_CUMULATIVE = 2
_TEMPORALITIES = {
    "AGGREGATION_TEMPORALITY_DELTA": 1,
    "AGGREGATION_TEMPORALITY_CUMULATIVE": _CUMULATIVE,
}


class _Data(Message, frozen=True):
    """Of any kind; `is_monotonic` is of sums."""

    data_points: tuple[msgspec.Raw, ...] = ()
    aggregation_temporality: int | str = 0
    is_monotonic: bool = False


class _Metric(Message, frozen=True):
    name: str = ""
    unit: str = ""
    gauge: _Data | None = None
    sum: _Data | None = None
    histogram: _Data | None = None
    exponential_histogram: _Data | None = None
    summary: _Data | None = None


class _ScopeMetrics(Message, frozen=True):
    scope: Scope = Scope()
    metrics: tuple[_Metric, ...] = ()


class _ResourceMetrics(Message, frozen=True):
    resource: Resource = Resource()
    scope_metrics: tuple[_ScopeMetrics, ...] = ()


class _Request(Message, frozen=True):
    resource_metrics: tuple[_ResourceMetrics, ...] = ()


def decode_protobuf(data: bytes) -> Export:
    """Samples of an ExportMetricsServiceRequest. Raises InputError ("protobuf") and TooLarge."""
    from tailrace.wire.otlp.protobuf import ProtobufForm

    return _decode(ProtobufForm("metrics"), data)


def decode_json(data: bytes) -> Export:
    """The same for OTLP/JSON. Raises InputError ("json") and TooLarge."""
    return _decode(JsonForm(_Request, *MESSAGES), data)


def _decode(form: Form, data: bytes) -> Export:
    kept = Kept(Signal.METRICS)
    try:
        for group in form.request(data).resource_metrics:
            for scope in group.scope_metrics:
                _scope(form, group.resource, scope, kept)
    except form.errors as error:
        raise refused(form, "metrics", error) from error
    return kept.export(form.repaired)


def _scope(form: Form, resource: Any, scope: Any, kept: Kept) -> None:
    try:
        common = labels_of(resource_of(form, resource.attributes))
    except TooLarge as error:
        points = (data for metric in scope.metrics for _, data in _data(form, metric))
        kept.reject(error, "resource", sum(len(data.data_points) for data in points))
        return
    if name := form.text(scope.scope.name):
        common["otel.scope.name"] = name
    for metric in scope.metrics:
        for kind, data in _data(form, metric):
            _metric(form, metric, kind, data, common, kept)


def _data(form: Form, metric: Any) -> Iterator[tuple[str, Any]]:
    """The one kind of data that a metric has, or nothing."""
    if kind := first(form, metric, _DATA):
        yield kind, getattr(metric, kind)


def _metric(
    form: Form, metric: Any, kind: str, data: Any, common: Mapping[str, str], kept: Kept
) -> None:
    message, samples = SAMPLES[kind]
    name, unit = form.text(metric.name), form.text(metric.unit)
    try:
        _check_name(name, unit)
    except InputError as error:
        kept.reject(error, "data point", len(data.data_points))
        return
    series = Series(name, unit, _goes_up(kind, data))
    opener = form.opener(message)
    for raw in chain.from_iterable(batches(data.data_points)):
        try:
            kept.add_all(list(_samples(form, series, common, raw, opener, samples)))
        except InputError as error:
            kept.reject(error, "data point")


def _samples(
    form: Form, series: Series, common: Mapping[str, str], raw: Any, opener: Any, samples: Any
) -> Iterator[Sample]:
    """Raises InputError ("time", "field") and TooLarge."""
    if len(memoryview(raw)) > limits.POINT_BYTES:
        raise TooLarge(f"is longer than {limits.POINT_BYTES} bytes", "line_length")
    point = opener(raw)
    if not 0 < point.time_unix_nano < TIMES_END:
        raise InputError("has no time, or one out of bounds", "time")
    attributes = {**common, **texts(form, point.attributes)}
    _check_labels(attributes)
    found: Iterator[Sample] = samples(form, series, point, attributes)
    return found


def _goes_up(kind: str, data: Any) -> bool:
    """Whether values are totals since a start, as a counter's are."""
    if kind in ("gauge", "summary"):
        return kind == "summary"
    cumulative = number_of(data.aggregation_temporality, _TEMPORALITIES) == _CUMULATIVE
    return cumulative and (kind != "sum" or data.is_monotonic)


def _check_name(name: str, unit: str) -> None:
    # A histogram's series add to the name.
    if not 0 < len(name) <= NAME_CHARACTERS - len("_bucket") or len(unit) > NAME_CHARACTERS:
        raise InputError(
            f"name of a metric must have 1 to {NAME_CHARACTERS - len('_bucket')} characters, its "
            f"unit at most {NAME_CHARACTERS}",
            "field",
        )


def _check_labels(attributes: Mapping[str, str]) -> None:
    # A histogram's series have one more.
    most = limits.LABELS_PER_SERIES - 1
    if len(attributes) > most:
        raise TooLarge(
            f"has {len(attributes)} attributes with those of its resource, more than {most}",
            "attributes",
        )
    for name, value in attributes.items():
        if not 0 < len(name) <= NAME_CHARACTERS or len(value) > limits.LABEL_VALUE_BYTES:
            raise TooLarge(
                f"name of an attribute must have 1 to {NAME_CHARACTERS} characters, its value at "
                f"most {limits.LABEL_VALUE_BYTES}",
                "attributes",
            )
