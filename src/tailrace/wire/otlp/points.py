"""Data points of metrics to samples.

Histograms and summaries become the series that Prometheus has for them: NAME_bucket with `le`,
NAME_sum and NAME_count; NAME with `quantile`, NAME_sum and NAME_count. A point that says it has no
recorded value is a stale marker for each of the series that it names. Source: "Prometheus and
OpenMetrics Compatibility" of the OpenTelemetry specification.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from tailrace.core import limits
from tailrace.core.errors import InputError, TooLarge
from tailrace.core.sample import NAME_CHARACTERS, Sample
from tailrace.core.sample import Exemplar as KeptExemplar
from tailrace.wire.buckets import Buckets, explicit, exponential, spelled
from tailrace.wire.fitting import count
from tailrace.wire.otlp.form import TIMES_END, Form, first, opened, texts
from tailrace.wire.otlp.json import Count, Int32, Int64, Message, Pair

Finite = float | Literal["NaN", "+Inf", "-Inf"]
Labels = Mapping[str, str]
_NUMBERS = ("as_double", "as_int")
# DataPointFlags: the point says only that its series has no value now.
_NO_RECORDED_VALUE = 1


class Series(NamedTuple):
    """What the samples of a metric share. `goes_up`: they are totals, as a counter's are."""

    name: str
    unit: str
    goes_up: bool


class Exemplar(Message, frozen=True):
    filtered_attributes: tuple[Pair, ...] = ()
    time_unix_nano: int = 0
    as_double: float | None = None
    as_int: Int64 | None = None
    span_id: str = ""
    trace_id: str = ""


class _Point(Message, frozen=True):
    attributes: tuple[Pair, ...] = ()
    time_unix_nano: int = 0
    flags: int = 0
    exemplars: tuple[msgspec.Raw, ...] = ()


class NumberDataPoint(_Point, frozen=True):
    as_double: float | None = None
    as_int: Int64 | None = None


class HistogramDataPoint(_Point, frozen=True):
    count: Count = 0
    sum: float | None = None
    bucket_counts: tuple[Count, ...] = ()
    explicit_bounds: tuple[float, ...] = ()


class Run(Message, frozen=True):
    """Buckets of an exponential histogram, one beside the other from `offset` on."""

    offset: Int32 = 0
    bucket_counts: tuple[Count, ...] = ()


class ExponentialHistogramDataPoint(_Point, frozen=True):
    count: Count = 0
    sum: float | None = None
    scale: int = 0
    zero_count: Count = 0
    zero_threshold: float = 0.0
    positive: Run = Run()
    negative: Run = Run()


class _Quantile(Message, frozen=True):
    quantile: float = 0.0
    value: float = 0.0


class SummaryDataPoint(_Point, frozen=True):
    count: Count = 0
    sum: float = 0.0
    quantile_values: tuple[_Quantile, ...] = ()


def number(form: Form, series: Series, point: Any, labels: Labels) -> Iterator[Sample]:
    """The sample of a gauge or a sum."""
    value = math.nan if _is_stale(point) else _value(form, point)
    if value is None:
        raise InputError("has no value", "field")
    exemplars = _exemplars(form, point)
    yield _sample(series, point, "", value, labels, [kept for _, kept in exemplars])


def histogram(form: Form, series: Series, point: Any, labels: Labels) -> Iterator[Sample]:
    """Cumulative buckets, sum and count."""
    bounds, counts = point.explicit_bounds[:], point.bucket_counts[:]
    if _is_stale(point) and not counts:
        counts = [0] * (len(bounds) + 1)
    buckets = explicit(bounds, counts, point.count)
    return _bucketed(form, series, point, buckets, labels)


def exponential_histogram(
    form: Form, series: Series, point: Any, labels: Labels
) -> Iterator[Sample]:
    """The same; see buckets.py for the bounds."""
    below, above = (
        [(one.offset, one.bucket_counts[:])] for one in (point.negative, point.positive)
    )
    zero = (point.zero_threshold, point.zero_count)
    buckets = exponential(point.scale, below, zero, above, point.count)
    return _bucketed(form, series, point, buckets, labels)


def summary(form: Form, series: Series, point: Any, labels: Labels) -> Iterator[Sample]:
    """Quantiles, sum and count."""
    if len(point.quantile_values) > limits.BUCKETS_PER_POINT:
        raise TooLarge(f"has more than {limits.BUCKETS_PER_POINT} quantiles", "attributes")
    now = series._replace(goes_up=False)
    for one in point.quantile_values:
        yield _sample(now, point, "", one.value, {**labels, "quantile": spelled(one.quantile)})
    yield _sample(series, point, "_sum", point.sum, labels)
    yield _sample(series._replace(unit=""), point, "_count", point.count, labels)


# By the name of the field: the message of a point, and its samples.
SAMPLES: dict[str, tuple[str, Callable[[Form, Series, Any, Labels], Iterator[Sample]]]] = {
    "gauge": ("NumberDataPoint", number),
    "sum": ("NumberDataPoint", number),
    "histogram": ("HistogramDataPoint", histogram),
    "exponential_histogram": ("ExponentialHistogramDataPoint", exponential_histogram),
    "summary": ("SummaryDataPoint", summary),
}
MESSAGES: tuple[type[Message], ...] = (
    NumberDataPoint,
    HistogramDataPoint,
    ExponentialHistogramDataPoint,
    SummaryDataPoint,
    Exemplar,
)


def _bucketed(
    form: Form, series: Series, point: Any, buckets: Buckets, labels: Labels
) -> Iterator[Sample]:
    exemplars = _by_bucket(_exemplars(form, point), [bound for bound, _ in buckets])
    plain = series._replace(unit="")
    for place, (bound, total) in enumerate(buckets):
        named = {**labels, "le": spelled(bound)}
        yield _sample(plain, point, "_bucket", total, named, exemplars.get(place, []))
    if form.has(point, "sum") or _is_stale(point):
        yield _sample(series, point, "_sum", point.sum, labels)
    yield _sample(plain, point, "_count", point.count, labels)


def _sample(
    series: Series,
    point: Any,
    suffix: str,
    value: float,
    labels: Labels,
    exemplars: Sequence[KeptExemplar] = (),
) -> Sample:
    stale = _is_stale(point)
    return Sample(
        point.time_unix_nano,
        series.name + suffix,
        "NaN" if stale else _finite(float(value)),
        "counter" if series.goes_up else "gauge",
        series.unit,
        dict(labels),
        [] if stale else list(exemplars[-limits.EXEMPLARS_PER_SAMPLE :]),
        stale,
    )


def _is_stale(point: Any) -> bool:
    found: bool = point.flags & _NO_RECORDED_VALUE != 0
    return found


def _finite(value: float) -> Finite:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def _value(form: Form, point: Any) -> float | None:
    field = first(form, point, _NUMBERS)
    return float(getattr(point, field)) if field else None


def _exemplars(form: Form, point: Any) -> list[tuple[float, KeptExemplar]]:
    """Those that have a value and a time, with their values; the last are the newest."""
    found: list[tuple[float, KeptExemplar]] = []
    for sent in opened(form, "Exemplar", point.exemplars):
        value, time_ns = _value(form, sent), sent.time_unix_nano
        if value is None or not 0 <= time_ns < TIMES_END:
            count(form.repaired, "exemplar")
            continue
        attributes = texts(form, sent.filtered_attributes)
        if not _small(attributes):
            count(form.repaired, "exemplar")
            attributes = {}
        trace_id, span_id = form.trace_id(sent.trace_id), form.span_id(sent.span_id)
        kept = KeptExemplar(time_ns, _finite(value), trace_id, span_id, attributes)
        found.append((value, kept))
    return found


def _small(attributes: Labels) -> bool:
    """Whether an exemplar may have these."""
    characters = sum(map(len, attributes)) + sum(map(len, attributes.values()))
    return (
        characters <= limits.EXEMPLAR_CHARACTERS
        and len(attributes) <= limits.LABELS_PER_SERIES
        and all(0 < len(name) <= NAME_CHARACTERS for name in attributes)
    )


def _by_bucket(
    exemplars: list[tuple[float, KeptExemplar]], bounds: list[float]
) -> dict[int, list[KeptExemplar]]:
    """Each at the place of the bucket that counts it."""
    found: dict[int, list[KeptExemplar]] = {}
    for value, exemplar in exemplars:
        place = min(bisect_left(bounds, value), len(bounds) - 1)
        found.setdefault(place, []).append(exemplar)
    return found
