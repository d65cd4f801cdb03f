"""OTLP data points become samples."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from tailrace.core import limits
from tailrace.core.errors import InputError
from tailrace.core.frame import Signal
from tailrace.wire import samples
from tailrace.wire.otlp import metrics

from .otlprequests import NOW, as_json, rows

DELTA, CUMULATIVE = 1, 2


def request(**resource: str) -> tuple[ExportMetricsServiceRequest, Any]:
    """A request of one metric, and that metric."""
    found = ExportMetricsServiceRequest()
    group = found.resource_metrics.add()
    for name, value in resource.items():
        group.resource.attributes.add(key=name.replace("_", ".")).value.string_value = value
    return found, group.scope_metrics.add().metrics.add(name="m.n", unit="s")


def kept(found: ExportMetricsServiceRequest) -> list[dict[str, Any]]:
    """Its samples, of which all pass the check of frames."""
    export = metrics.decode_protobuf(found.SerializeToString())
    assert export.content is not None
    assert export.content.signal is Signal.METRICS
    assert not export.rejected
    samples.check(export.content.data)
    return rows(export.content)


def series(found: ExportMetricsServiceRequest) -> list[tuple[str, str, float]]:
    """Name, the label that a histogram or summary adds, and value."""
    found_rows = [(row, row.get("attributes", {})) for row in kept(found)]
    return [
        (row["name"], labels.get("le", labels.get("quantile", "")), row["value"])
        for row, labels in found_rows
    ]


def test_a_gauge_is_a_sample_with_its_resource_and_scope() -> None:
    found, metric = request(service_name="shop", process_pid="7", host_name="h", empty="")
    found.resource_metrics[0].scope_metrics[0].scope.name = "lib"
    point = metric.gauge.data_points.add(time_unix_nano=NOW, as_int=5)
    point.attributes.add(key="a").value.int_value = 1
    point.attributes.add(key="host.name").value.string_value = "other"
    expected = [{
        "time": NOW, "name": "m.n", "value": 5.0, "unit": "s",
        "attributes": {"a": "1", "service.name": "shop", "host.name": "other",
                       "otel.scope.name": "lib"},
    }]  # fmt: skip
    assert kept(found) == expected
    assert rows(metrics.decode_json(as_json(found)).content) == expected


@pytest.mark.parametrize(
    ("monotonic", "temporality", "kind"),
    [(True, CUMULATIVE, "counter"), (False, CUMULATIVE, "gauge"), (True, DELTA, "gauge"),
     (False, 0, "gauge")],
)  # fmt: skip
def test_only_a_monotonic_cumulative_sum_is_a_counter(
    monotonic: bool, temporality: int, kind: str
) -> None:
    found, metric = request()
    metric.sum.is_monotonic, metric.sum.aggregation_temporality = monotonic, temporality
    metric.sum.data_points.add(time_unix_nano=NOW, as_double=0.5)
    assert kept(found)[0].get("kind", "gauge") == kind
    from_json = metrics.decode_json(as_json(found, enums_as_numbers=False)).content
    assert rows(from_json) == kept(found)


def test_a_histogram_is_cumulative_buckets_sum_and_count() -> None:
    found, metric = request()
    metric.histogram.aggregation_temporality = CUMULATIVE
    metric.histogram.data_points.add(
        time_unix_nano=NOW, count=6, sum=9.5, explicit_bounds=[0.1, 2], bucket_counts=[1, 2, 3]
    )
    assert series(found) == [
        ("m.n_bucket", "0.1", 1), ("m.n_bucket", "2", 3), ("m.n_bucket", "+Inf", 6),
        ("m.n_sum", "", 9.5), ("m.n_count", "", 6),
    ]  # fmt: skip
    assert {row["kind"] for row in kept(found)} == {"counter"}
    assert {row["name"] for row in kept(found) if row.get("unit")} == {"m.n_sum"}
    metric.histogram.aggregation_temporality = DELTA
    assert all("kind" not in row for row in kept(found))


def test_a_histogram_may_have_no_buckets_and_no_sum() -> None:
    found, metric = request()
    metric.histogram.data_points.add(time_unix_nano=NOW, count=6)
    assert series(found) == [("m.n_bucket", "+Inf", 6), ("m.n_count", "", 6)]


def test_an_exponential_histogram_keeps_its_own_bounds() -> None:
    found, metric = request()
    point = metric.exponential_histogram.data_points.add(
        time_unix_nano=NOW, count=12, sum=3, scale=0, zero_count=2, zero_threshold=0.25
    )
    point.positive.offset = 1
    point.positive.bucket_counts[:] = [1, 0, 3]
    point.negative.offset = -1
    point.negative.bucket_counts[:] = [4, 2]
    assert series(found)[:-2] == [
        ("m.n_bucket", "-2", 0), ("m.n_bucket", "-1", 2), ("m.n_bucket", "-0.5", 6),
        ("m.n_bucket", "0.25", 8), ("m.n_bucket", "2", 8), ("m.n_bucket", "4", 9),
        ("m.n_bucket", "8", 9), ("m.n_bucket", "16", 12), ("m.n_bucket", "+Inf", 12),
    ]  # fmt: skip


def test_a_summary_is_its_quantiles_sum_and_count() -> None:
    found, metric = request()
    point = metric.summary.data_points.add(time_unix_nano=NOW, count=4, sum=2)
    point.quantile_values.add(quantile=0.99, value=0.7)
    point.quantile_values.add(quantile=1, value=math.inf)
    assert series(found) == [
        ("m.n", "0.99", 0.7), ("m.n", "1", "+Inf"), ("m.n_sum", "", 2), ("m.n_count", "", 4),
    ]  # fmt: skip
    kinds = [row.get("kind", "gauge") for row in kept(found)]
    assert kinds == ["gauge", "gauge", "counter", "counter"]


def test_exemplars_stand_by_the_bucket_that_counts_them() -> None:
    found, metric = request()
    point = metric.histogram.data_points.add(
        time_unix_nano=NOW, count=2, explicit_bounds=[1, 2], bucket_counts=[0, 1, 1]
    )
    for value in (2, 50):
        exemplar = point.exemplars.add(time_unix_nano=NOW - 1, as_double=value)
        exemplar.trace_id, exemplar.span_id = b"\xab" * 16, b"\xcd" * 8
        exemplar.filtered_attributes.add(key="user").value.string_value = "u1"
    point.exemplars.add(time_unix_nano=NOW)  # no value
    point.exemplars.add(as_int=1).filtered_attributes.add(key="").value.string_value = "x"
    found_rows = {row["attributes"]["le"]: row.get("exemplars") for row in kept(found)[:3]}
    one = {"time": NOW - 1, "value": 2.0, "trace_id": "ab" * 16, "span_id": "cd" * 8,
           "attributes": {"user": "u1"}}  # fmt: skip
    assert found_rows["2"] == [one]
    assert found_rows["+Inf"] == [one | {"value": 50.0}]
    assert found_rows["1"] == [{"time": 0, "value": 1.0}]
    export = metrics.decode_protobuf(found.SerializeToString())
    assert export.content is not None
    assert export.content.repaired == {"exemplar": 2}


def test_an_exemplar_says_no_more_than_it_may() -> None:
    found, metric = request()
    point = metric.gauge.data_points.add(time_unix_nano=NOW, as_int=1)
    for chars in (limits.EXEMPLAR_CHARACTERS - 1, limits.EXEMPLAR_CHARACTERS):
        exemplar = point.exemplars.add(time_unix_nano=NOW, as_int=1)
        exemplar.filtered_attributes.add(key="k").value.string_value = "v" * chars
    (row,) = kept(found)
    said = [one.get("attributes", {"k": ""})["k"] for one in row["exemplars"]]
    assert list(map(len, said)) == [limits.EXEMPLAR_CHARACTERS - 1, 0]


def test_the_newest_exemplars_are_kept() -> None:
    found, metric = request()
    point = metric.gauge.data_points.add(time_unix_nano=NOW, as_int=1)
    for number in range(50):
        point.exemplars.add(time_unix_nano=number, as_int=number)
    values = [exemplar["value"] for exemplar in kept(found)[0]["exemplars"]]
    assert values == list(range(50))[-limits.EXEMPLARS_PER_SAMPLE :]


def stale(found: ExportMetricsServiceRequest) -> list[tuple[str, str]]:
    """Series that end here, which is all that there is; in JSON too."""
    found_rows = kept(found)
    assert all(
        (row["value"], row["stale"], row["time"]) == ("NaN", True, NOW) for row in found_rows
    )
    assert not any("exemplars" in row for row in found_rows)
    assert rows(metrics.decode_json(as_json(found)).content) == found_rows
    return [(name, label) for name, label, _ in series(found)]


@pytest.mark.parametrize("kind", ["gauge", "sum"])
@pytest.mark.parametrize("value", [{}, {"as_int": 3}, {"as_double": 0.5}])
def test_a_point_without_a_recorded_value_ends_its_series(
    kind: str, value: dict[str, float]
) -> None:
    found, metric = request(service_name="shop")
    point = getattr(metric, kind).data_points.add(time_unix_nano=NOW, flags=1, **value)
    point.exemplars.add(time_unix_nano=NOW, as_int=1)
    assert stale(found) == [("m.n", "")]
    assert kept(found)[0]["attributes"] == {"service.name": "shop"}


@pytest.mark.parametrize("counts", [[], [1, 2, 3]])
def test_a_histogram_without_a_recorded_value_ends_the_series_that_it_names(
    counts: list[int],
) -> None:
    found, metric = request()
    metric.histogram.data_points.add(time_unix_nano=NOW, flags=1)
    metric.histogram.data_points.add(
        time_unix_nano=NOW, flags=1, explicit_bounds=[0.1, 2], bucket_counts=counts
    )
    assert stale(found) == [
        ("m.n_bucket", "+Inf"), ("m.n_sum", ""), ("m.n_count", ""),
        ("m.n_bucket", "0.1"), ("m.n_bucket", "2"), ("m.n_bucket", "+Inf"), ("m.n_sum", ""),
        ("m.n_count", ""),
    ]  # fmt: skip


def test_an_exponential_histogram_without_a_recorded_value_ends_the_series_that_it_names() -> None:
    found, metric = request()
    metric.exponential_histogram.data_points.add(time_unix_nano=NOW, flags=1)
    point = metric.exponential_histogram.data_points.add(time_unix_nano=NOW, flags=1)
    point.positive.bucket_counts[:] = [4]
    assert stale(found) == [
        ("m.n_bucket", "+Inf"), ("m.n_sum", ""), ("m.n_count", ""),
        ("m.n_bucket", "0"), ("m.n_bucket", "1"), ("m.n_bucket", "2"), ("m.n_bucket", "+Inf"),
        ("m.n_sum", ""), ("m.n_count", ""),
    ]  # fmt: skip


def test_a_summary_without_a_recorded_value_ends_the_series_that_it_names() -> None:
    found, metric = request()
    point = metric.summary.data_points.add(time_unix_nano=NOW, flags=1)
    assert stale(found) == [("m.n_sum", ""), ("m.n_count", "")]
    point.quantile_values.add(quantile=0.5)
    assert stale(found) == [("m.n", "0.5"), ("m.n_sum", ""), ("m.n_count", "")]


def test_a_point_without_a_recorded_value_needs_a_time_as_any() -> None:
    found, metric = request()
    metric.gauge.data_points.add(time_unix_nano=NOW, flags=1)
    metric.gauge.data_points.add(flags=1)
    export = metrics.decode_protobuf(found.SerializeToString())
    assert (export.rejected, export.reasons) == (1, {"time": 1})


def test_points_that_cannot_be_kept_are_left_out_and_counted() -> None:
    found, metric = request(**{f"r{number}": "v" for number in range(40)})
    add = metric.gauge.data_points.add
    add(time_unix_nano=NOW, as_int=1)
    add(as_int=2)
    add(time_unix_nano=NOW)
    crowded = add(time_unix_nano=NOW, as_int=3)
    for number in range(40):
        crowded.attributes.add(key=f"p{number}").value.int_value = number
    add(time_unix_nano=NOW, as_int=4).attributes.add(key="k").value.string_value = "x" * 5000
    other = found.resource_metrics[0].scope_metrics[0].metrics.add(name="")
    other.gauge.data_points.add(time_unix_nano=NOW, as_int=1)
    export = metrics.decode_protobuf(found.SerializeToString())
    assert export.content is not None
    assert export.content.rows == 1
    assert export.rejected == 5
    assert export.reasons == {"time": 1, "field": 2, "attributes": 2}
    assert export.message == "data point 2: has no time, or one out of bounds"


@pytest.mark.parametrize(
    "histogram",
    [{"bounds": [1, 2], "counts": [1, 2]}, {"bounds": [2, 1], "counts": [1, 2, 3]},
     {"bounds": [math.nan], "counts": [1, 2]},
     {"bounds": list(range(limits.BUCKETS_PER_POINT)),
      "counts": [1] * (limits.BUCKETS_PER_POINT + 1)}],
)  # fmt: skip
def test_a_histogram_that_is_inconsistent_is_refused(histogram: dict[str, list[Any]]) -> None:
    found, metric = request()
    metric.histogram.data_points.add(
        time_unix_nano=NOW, explicit_bounds=histogram["bounds"], bucket_counts=histogram["counts"]
    )
    with pytest.raises(InputError, match="data point 1"):
        metrics.decode_protobuf(found.SerializeToString())


def test_values_that_are_no_numbers_of_json_have_names() -> None:
    found, metric = request()
    for value in (math.nan, math.inf, -math.inf):
        metric.gauge.data_points.add(time_unix_nano=NOW, as_double=value)
    assert [row["value"] for row in kept(found)] == ["NaN", "+Inf", "-Inf"]


def test_a_point_of_many_small_fields_is_refused_unopened() -> None:
    found, metric = request()
    point = metric.exponential_histogram.data_points.add(time_unix_nano=NOW)
    point.positive.bucket_counts[:] = [0] * (limits.POINT_BYTES + 1)
    with pytest.raises(InputError, match="is longer than"):
        metrics.decode_protobuf(found.SerializeToString())


def test_json_of_a_collector_is_read() -> None:
    point = {"timeUnixNano": str(NOW), "asInt": "12", "attributes": [], "startTimeUnixNano": "1"}
    data = {"dataPoints": [point], "isMonotonic": True, "aggregationTemporality": 2}
    metric = {"name": "x", "description": "d", "sum": data}
    scope = {"scope": {"name": ""}, "metrics": [metric]}
    body = {"resourceMetrics": [{"resource": {}, "scopeMetrics": [scope]}]}
    content = metrics.decode_json(json.dumps(body).encode()).content
    assert rows(content) == [{"time": NOW, "name": "x", "value": 12.0, "kind": "counter"}]
