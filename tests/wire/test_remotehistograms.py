"""Native histograms of remote write are stored as OTLP's exponential histograms are."""

from __future__ import annotations

import math
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from tests.examples import examples

from tailrace.core import limits, sample
from tailrace.core.errors import InputError, TooLarge
from tailrace.core.sample import Sample
from tailrace.wire import remotewrite, remotewrite2
from tailrace.wire.knownseries import KnownSeries
from tailrace.wire.otlp import metrics
from tailrace.wire.remoteparts import Written

from .remote import STALE, TIME_MS, V1, V2, read, series, series2, symbol

NAME = {"__name__": "took_seconds", "job": "shop"}
VALUES = st.lists(st.floats(1e-9, 1e9) | st.floats(-1e9, -1e-9) | st.just(0.0), max_size=60)
Fill = Callable[[Any], object]


def sent1(fill: Fill, labels: Mapping[str, str] = NAME) -> Written:
    """One histogram, filled by `fill`, in a request of 1.0."""
    request = V1["WriteRequest"]()
    fill(series(request, labels).histograms.add(timestamp=TIME_MS))
    return remotewrite.decode(request.SerializeToString(), KnownSeries())


def sent2(fill: Fill, labels: Mapping[str, str] = NAME) -> Written:
    request = V2["Request"]()
    fill(series2(request, labels).histograms.add(timestamp=TIME_MS))
    return remotewrite2.decode(request.SerializeToString())


both = pytest.mark.parametrize("sent", [sent1, sent2])
Sent = Callable[..., Written]


def buckets(values: Sequence[float], scale: int) -> dict[int, int]:
    """How many positive values each bucket holds, as OTLP numbers them."""
    found: dict[int, int] = {}
    for value in values:
        index = math.ceil(math.log2(value) * 2.0**scale) - 1
        found[index] = found.get(index, 0) + 1
    return found


def spans(into: Any, side: str, counts: Mapping[int, int], floats: bool) -> None:
    """Buckets by Prometheus' number as spans with nothing between that is not used."""
    end, before = 0, 0
    spans = getattr(into, f"{side}_spans")
    for place, (index, number) in enumerate(sorted(counts.items())):
        if place and index == end:
            spans[-1].length += 1
        else:
            spans.add(offset=index - end, length=1)
        end = index + 1
        if floats:
            getattr(into, f"{side}_counts").append(number)
        else:
            getattr(into, f"{side}_deltas").append(number - before)
        before = number


def short(found: Sequence[Sample]) -> list[tuple[str, str, Any]]:
    """What there is of samples, but for the time and the other labels."""
    return [
        (one.name.removeprefix("took_seconds"), one.attributes.get("le", ""), one.value)
        for one in found
    ]


@settings(deadline=None)
@given(VALUES, st.integers(-4, 8), st.booleans(), st.sampled_from([sent1, sent2]))
def test_both_doors_store_the_same_samples_of_the_same_values(
    values: list[float], scale: int, floats: bool, sent: Sent
) -> None:
    zeros = sum(value == 0 for value in values)
    sides = {
        "negative": buckets([-value for value in values if value < 0], scale),
        "positive": buckets([value for value in values if value > 0], scale),
    }

    def fill(histogram: Any) -> None:
        histogram.schema, histogram.sum, histogram.zero_threshold = scale, 2.5, 1e-128
        setattr(histogram, "count_float" if floats else "count_int", len(values))
        setattr(histogram, "zero_count_float" if floats else "zero_count_int", zeros)
        for side, counts in sides.items():
            numbered = {index + 1: number for index, number in counts.items()}
            spans(histogram, side, numbered, floats)

    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="took_seconds")
    metric.exponential_histogram.aggregation_temporality = 2
    point = metric.exponential_histogram.data_points.add(
        time_unix_nano=TIME_MS * 10**6, count=len(values), sum=2.5, scale=scale,
        zero_count=zeros, zero_threshold=1e-128,
    )  # fmt: skip
    point.attributes.add(key="job").value.string_value = "shop"
    for side, counts in sides.items():
        run = getattr(point, side)
        run.offset = min(counts, default=0)
        places = range(run.offset, max(counts, default=-1) + 1)
        if len(places) > limits.POINT_BYTES // 2:
            return
        run.bucket_counts[:] = [counts.get(index, 0) for index in places]
    content = metrics.decode_protobuf(request.SerializeToString()).content
    assert content is not None
    written = sent(fill)
    assert read(written) == [sample.decode(line) for line in content.data.splitlines()]
    assert (written.samples, written.histograms, written.refused) == (0, 1, {})


@both
def test_a_histogram_is_cumulative_buckets_sum_and_count(sent: Sent) -> None:
    def fill(histogram: Any) -> None:
        histogram.count_int, histogram.sum, histogram.zero_count_int = 13, 9.5, 2
        histogram.zero_threshold = 0.25
        histogram.positive_spans.add(offset=1, length=2)
        histogram.positive_spans.add(offset=2, length=1)
        histogram.positive_deltas[:] = [1, 2, -2]
        histogram.negative_spans.add(offset=0, length=1)
        histogram.negative_deltas[:] = [4]
        histogram.reset_hint = 1
        histogram.start_timestamp = 5

    found = read(sent(fill))
    assert short(found) == [
        ("_bucket", "-1", 0), ("_bucket", "-0.5", 4), ("_bucket", "0.25", 6), ("_bucket", "1", 6),
        ("_bucket", "2", 7), ("_bucket", "4", 10), ("_bucket", "8", 10), ("_bucket", "16", 10),
        ("_bucket", "32", 11), ("_bucket", "+Inf", 13), ("_sum", "", 9.5), ("_count", "", 13),
    ]  # fmt: skip
    assert {(one.kind, one.time, one.attributes["job"]) for one in found} == {
        ("counter", TIME_MS * 10**6, "shop")
    }


@both
@pytest.mark.parametrize("floats", [False, True])
def test_custom_buckets_keep_their_bounds(sent: Sent, floats: bool) -> None:
    def fill(histogram: Any) -> None:
        histogram.schema, histogram.sum = -53, -1.0
        setattr(histogram, "count_float" if floats else "count_int", 6)
        histogram.custom_values[:] = [-0.5, 0.1, 2, 5]
        spans(histogram, "positive", {0: 1, 1: 2, 4: 3}, floats)

    assert short(read(sent(fill))) == [
        ("_bucket", "-0.5", 1), ("_bucket", "0.1", 3), ("_bucket", "2", 3), ("_bucket", "5", 3),
        ("_bucket", "+Inf", 6), ("_sum", "", -1), ("_count", "", 6),
    ]  # fmt: skip


@both
def test_a_float_histogram_may_count_fractions_and_nothing(sent: Sent) -> None:
    def fill(histogram: Any) -> None:
        histogram.count_float, histogram.sum = 0.75, math.nan
        histogram.positive_spans.add(offset=0, length=2)
        histogram.positive_counts[:] = [0.25, 0.5]

    assert short(read(sent(fill))) == [
        ("_bucket", "0", 0), ("_bucket", "0.5", 0), ("_bucket", "1", 0.25), ("_bucket", "2", 0.75),
        ("_bucket", "+Inf", 0.75), ("_sum", "", "NaN"), ("_count", "", 0.75),
    ]  # fmt: skip
    assert not any(one.stale for one in read(sent(fill)))
    empty = [("_bucket", "+Inf", 0), ("_sum", "", 0), ("_count", "", 0)]
    assert short(read(sent(lambda histogram: None))) == empty


@both
def test_a_stale_marker_ends_what_it_names(sent: Sent) -> None:
    def fill(histogram: Any) -> None:
        histogram.sum = STALE

    found = read(sent(fill))
    assert short(found) == [("_bucket", "+Inf", "NaN"), ("_sum", "", "NaN"), ("_count", "", "NaN")]
    assert all(one.stale for one in found)


@both
def test_more_buckets_than_are_stored_are_made_coarser(sent: Sent) -> None:
    def fill(histogram: Any) -> None:
        histogram.schema, histogram.count_int = 8, 5000
        histogram.positive_spans.add(offset=-2500, length=5000)
        histogram.positive_deltas[:] = [1] + [0] * 4999

    found = short(read(sent(fill)))
    assert 150 < len(found) <= limits.BUCKETS_PER_POINT + 2
    assert found[-3:] == [("_bucket", "+Inf", 5000), ("_sum", "", 0), ("_count", "", 5000)]


def test_2_0_says_the_unit_and_whether_it_is_a_gauge() -> None:
    for kind, expected in ((3, "counter"), (4, "gauge"), (0, "counter")):
        request = V2["Request"]()
        one = series2(request, NAME)
        one.histograms.add(timestamp=TIME_MS, count_int=3)
        one.metadata.type, one.metadata.unit_ref = kind, symbol(request, "s")
        one.created_timestamp = TIME_MS - 5
        found = read(remotewrite2.decode(request.SerializeToString()))
        assert [(one.kind, one.unit) for one in found] == [
            (expected, ""), (expected, "s"), (expected, ""),
        ]  # fmt: skip


@both
def test_the_series_of_a_histogram_must_fit_the_bounds_of_any(sent: Sent) -> None:
    def refused(labels: Mapping[str, str]) -> dict[str, int]:
        return sent(lambda histogram: None, labels).refused

    assert refused({"__name__": "x" * 248}) == {}
    assert refused({"__name__": "x" * 249}) == {"name": 1}
    assert refused({**NAME, **{f"l{n}": "x" for n in range(62)}}) == {}
    assert refused({**NAME, **{f"l{n}": "x" for n in range(63)}}) == {"labels": 1}
    (one, *_) = read(sent(lambda histogram: None, {**NAME, "le": "odd", "z": 'q"}'}))
    assert one.attributes == {"job": "shop", "le": "+Inf", "z": 'q"}'}


def test_an_exemplar_stands_by_the_bucket_that_counts_it() -> None:
    request = V1["WriteRequest"]()
    histogram = series(request, NAME).histograms.add(timestamp=TIME_MS, count_int=2)
    histogram.positive_spans.add(offset=0, length=2)
    histogram.positive_deltas[:] = [1, 0]
    for value in (0.75, 1.0, 9.0, math.nan):
        series(request, NAME).exemplars.add(value=value, timestamp=TIME_MS)
    written = remotewrite.decode(request.SerializeToString(), KnownSeries())
    found = {one.attributes.get("le"): [e.value for e in one.exemplars] for one in read(written)}
    assert found == {
        "0": ["NaN"], "0.5": [], "1": [0.75, 1.0], "2": [], "+Inf": [9.0], None: [],
    }  # fmt: skip
    assert written.exemplars == 4


def test_samples_and_histograms_of_one_series_are_both_taken() -> None:
    request = V1["WriteRequest"]()
    for _ in range(3):
        series(request, NAME, [(1.0, TIME_MS)]).histograms.add(timestamp=TIME_MS)
    data: bytes = request.SerializeToString()
    # The histogram first, as nobody writes it: what ends as usual is not all of it.
    one = series(V1["WriteRequest"](), NAME, [(1.0, TIME_MS)])
    labels, end = one.SerializeToString()[:-18], one.SerializeToString()[-18:]
    inner = labels + b"\x22\x07\x78" + end[-6:] + end
    data += b"\x0a" + bytes((len(inner),)) + inner
    written = remotewrite.decode(data, KnownSeries())
    assert (written.samples, written.histograms, written.refused) == (4, 4, {})
    assert sum(content.rows for content in written.contents) == 4 + 4 * 3


def test_bounds_that_end_like_a_sample_are_read_as_bounds() -> None:
    request = V1["WriteRequest"]()
    one = series(request, NAME).histograms.add(timestamp=TIME_MS, schema=-53)
    one.custom_values[:] = [1.0, 2.0, 3.0]
    data: bytes = request.SerializeToString()
    usual = series(V1["WriteRequest"](), NAME, [(1.5, TIME_MS)]).SerializeToString()[-18:]
    written = remotewrite.decode(data[:-18] + usual, KnownSeries())
    assert (written.samples, written.histograms + sum(written.refused.values())) == (0, 1)


HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "schema above": ({"schema": 21}, "histogram"),
    "schema below": ({"schema": -12}, "histogram"),
    "schema of no kind": ({"schema": -54}, "histogram"),
    "schema far": ({"schema": 2**31 - 1}, "histogram"),
    "no time": ({"timestamp": 0}, "time"),
    "a time before 1970": ({"timestamp": -5}, "time"),
    "a time too far": ({"timestamp": 2**62}, "time"),
    "spans without buckets": ({"positive_spans": [(0, 1)]}, "histogram"),
    "buckets without spans": ({"positive_deltas": [1]}, "histogram"),
    "fewer buckets": ({"positive_spans": [(0, 3)], "positive_deltas": [1, 1]}, "histogram"),
    "more buckets": ({"negative_spans": [(0, 1)], "negative_deltas": [1, 1]}, "histogram"),
    "a long span": ({"positive_spans": [(0, 2**32 - 1)], "positive_deltas": [1]}, "histogram"),
    "a step back": (
        {"positive_spans": [(0, 1), (-1, 1)], "positive_deltas": [1, 0]},
        "histogram",
    ),
    "below zero": ({"positive_spans": [(0, 2)], "positive_deltas": [1, -2]}, "histogram"),
    "far below zero": ({"negative_spans": [(0, 1)], "negative_deltas": [-(2**63)]}, "histogram"),
    "a float below zero": ({"positive_spans": [(0, 1)], "positive_counts": [-0.5]}, "histogram"),
    "no number": ({"positive_spans": [(0, 1)], "positive_counts": [math.nan]}, "histogram"),
    "count below zero": ({"count_float": -1.0}, "histogram"),
    "count no number": ({"count_float": math.nan}, "histogram"),
    "zeros below zero": ({"zero_count_float": -1.0}, "histogram"),
    "ends too far apart": (
        {"positive_spans": [(-(2**31), 1), (2**31 - 1, 1)], "positive_deltas": [1, 0]},
        "buckets",
    ),
    "custom and zero": ({"schema": -53, "zero_count_int": 1}, "histogram"),
    "custom and negative": (
        {"schema": -53, "negative_spans": [(0, 1)], "negative_deltas": [1]},
        "histogram",
    ),
    "custom beyond its bounds": (
        {"schema": -53, "positive_spans": [(0, 2)], "positive_deltas": [1, 0]},
        "histogram",
    ),
    "custom before its bounds": (
        {"schema": -53, "positive_spans": [(-1, 1)], "positive_deltas": [1],
         "custom_values": [1.0]},
        "histogram",
    ),
    "custom bounds that fall": ({"schema": -53, "custom_values": [2.0, 1.0]}, "histogram"),
    "custom bounds that are none": ({"schema": -53, "custom_values": [math.nan]}, "histogram"),
    "custom bounds too many": (
        {"schema": -53, "custom_values": [float(n) for n in range(limits.BUCKETS_PER_POINT)]},
        "buckets",
    ),
    "too long": ({"custom_values": [1.0] * (limits.POINT_BYTES // 8)}, "buckets"),
}  # fmt: skip


def put(histogram: Any, wanted: Mapping[str, Any]) -> None:
    for field, value in wanted.items():
        if field.endswith("_spans"):
            for offset, length in value:
                getattr(histogram, field).add(offset=offset, length=length)
        elif isinstance(value, list):
            getattr(histogram, field)[:] = value
        else:
            setattr(histogram, field, value)


@both
@pytest.mark.parametrize("case", HOSTILE)
def test_a_histogram_that_cannot_be_is_refused_and_the_others_are_taken(
    sent: Sent, case: str
) -> None:
    wanted, reason = HOSTILE[case]
    written = sent(lambda histogram: put(histogram, wanted))
    assert (written.contents, written.samples, written.histograms) == ([], 0, 0)
    assert written.refused == {reason: 1}
    assert written.explain().startswith("1 refused: ")


@both
@pytest.mark.parametrize(
    "wanted",
    [
        {"positive_spans": [(2**31 - 1, 1)], "positive_deltas": [2**63 - 1]},
        {"negative_spans": [(-(2**31), 2)], "negative_deltas": [2**63 - 1, 2**63 - 1]},
        {"count_int": 2**64 - 1, "zero_count_int": 2**64 - 1, "zero_threshold": math.nan},
        {"count_float": math.inf, "sum": -math.inf, "zero_threshold": -1.0},
        {"positive_spans": [(0, 0), (5, 1), (0, 0)], "positive_counts": [math.inf]},
        {"schema": -53, "custom_values": [-math.inf, math.inf]},
    ],
)
def test_the_largest_numbers_there_are_can_be_stored(sent: Sent, wanted: dict[str, Any]) -> None:
    written = sent(lambda histogram: put(histogram, wanted))
    found = [float(one.value) for one in read(written) if one.name.endswith("_bucket")]
    assert found == sorted(found)
    assert written.histograms == 1


_number = st.sampled_from([0, 1, 2, 3, 7, 300, 2**31 - 1])
_signed = _number | _number.map(lambda number: -number)
_double = st.floats() | st.sampled_from([0.0, 1.0, STALE])
_spans = st.lists(st.tuples(_signed, _number), max_size=4)
_fields = st.fixed_dictionaries(
    {},
    optional={
        "schema": st.integers(-13, 22) | st.just(-53),
        "count_int": _number, "count_float": _double, "sum": _double,
        "zero_threshold": _double, "zero_count_int": _number, "zero_count_float": _double,
        "negative_spans": _spans, "positive_spans": _spans,
        "negative_deltas": st.lists(_signed, max_size=5),
        "positive_deltas": st.lists(_signed, max_size=5),
        "negative_counts": st.lists(_double, max_size=3),
        "positive_counts": st.lists(_double, max_size=3),
        "custom_values": st.lists(_double, max_size=5),
        "timestamp": st.sampled_from([0, 1, -1, TIME_MS, 2**42]),
    },
)  # fmt: skip


@settings(max_examples=examples(80))
@given(st.lists(_fields, max_size=4))
def test_whatever_a_histogram_says_it_is_stored_whole_or_refused(sent: list[Any]) -> None:
    request, request2 = V1["WriteRequest"](), V2["Request"]()
    for wanted in sent:
        put(series(request, NAME).histograms.add(timestamp=TIME_MS), wanted)
        put(series2(request2, NAME).histograms.add(timestamp=TIME_MS), wanted)
    first = remotewrite.decode(request.SerializeToString(), KnownSeries())
    second = remotewrite2.decode(request2.SerializeToString())
    assert read(first) == read(second)
    assert first.refused == second.refused
    assert first.histograms + sum(first.refused.values()) == len(sent)
    assert sum(one.name.endswith("_count") for one in read(first)) == first.histograms


def test_a_histogram_that_is_malformed_protobuf_refuses_the_body() -> None:
    inner = b"\x0a\x0d\x0a\x08__name__\x12\x01a" + b"\x22\x02\x5a\x05"
    with pytest.raises(InputError) as caught:
        remotewrite.decode(b"\x0a" + bytes((len(inner),)) + inner, KnownSeries())
    assert caught.value.reason == "protobuf"


def many(count: int, wanted: Mapping[str, Any]) -> bytes:
    request = V1["WriteRequest"]()
    put(series(request, NAME).histograms.add(timestamp=TIME_MS), wanted)
    data: bytes = request.SerializeToString() * count
    return data


FAR = {"positive_spans": [(0, 1), (300, 1)], "positive_deltas": [1, 0]}
DENSE = {"positive_spans": [(0, 200_000)], "positive_deltas": [1] + [0] * 199_999, "schema": 20}
SPANS = {"positive_spans": [(9, 1)] * 60_000, "positive_deltas": [1] + [0] * 59_999}
EMPTY = {"positive_spans": [(0, 0)] * 200_000}


@pytest.mark.parametrize(
    ("count", "wanted", "reason"),
    [
        (20_000, FAR, "expanded"),
        (limits.ODD_PARTS_PER_BODY + 1, {"schema": 50}, "density"),
        (3, DENSE, ""),
        (2, SPANS, ""),
        (2, EMPTY, ""),
    ],
    ids=["far", "refused", "dense", "spans", "empty"],
)
def test_small_bodies_that_say_much_are_bounded(
    monkeypatch: pytest.MonkeyPatch, count: int, wanted: dict[str, Any], reason: str
) -> None:
    if reason == "expanded":  # sooner, which shows the same
        monkeypatch.setattr(limits, "DECODED_BYTES", 8 * limits.MIB)
    data = many(count, wanted)
    before = time.process_time()
    tracemalloc.start()
    try:
        remotewrite.decode(data, KnownSeries())
        assert not reason
    except TooLarge as error:
        assert error.reason == reason
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * limits.DECODED_BYTES
    assert time.process_time() - before < 30
