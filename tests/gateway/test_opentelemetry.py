"""OpenTelemetry's own SDK and exporters, over HTTP and gRPC, as their documentation says."""

from __future__ import annotations

import logging
import warnings
from typing import Any, NamedTuple

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (
    OTLPMetricExporter as GrpcMetrics,
)
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import (
    OTLPMetricExporter as HttpMetrics,
)
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from served import Served

from tailrace.core.frame import Signal

RESOURCE = Resource({"service.name": "shop", "host.name": "h1", "process.pid": 7})


class Exporters(NamedTuple):
    logs: Any
    metrics: Any
    spans: Any


def exporters(served: Served, protocol: str) -> Exporters:
    if protocol == "grpc":
        options: dict[str, Any] = {
            "endpoint": served.address, "insecure": True, "compression": grpc.Compression.Gzip,
            "headers": {"authorization": "Bearer acme"},
        }  # fmt: skip
        return Exporters(GrpcLogs(**options), GrpcMetrics(**options), GrpcSpans(**options))
    gzip = Compression.Gzip
    return Exporters(
        HttpLogs(f"{served.url}/v1/logs", compression=gzip),
        HttpMetrics(f"{served.url}/otlp/v1/metrics", compression=gzip),
        HttpSpans(f"{served.url}/v1/traces"),
    )


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_all_that_an_application_says_arrives(protocol: str) -> None:
    with Served() as served:
        found = exporters(served, protocol)
        traced = speak(found)
        tenants = {frame.header.tenant for frame in served.sink.frames}
        assert tenants == {"acme" if protocol == "grpc" else "default"}
        check_log(served, traced)
        check_span(served, traced)
        check_metrics(served)
        assert not served.metrics.labelled("tailrace_ingest_refused_total")


def speak(found: Exporters) -> tuple[str, str]:
    """Log, trace and measure; the ids of the span."""
    logs, tracing = LoggerProvider(RESOURCE), TracerProvider(resource=RESOURCE)
    logs.add_log_record_processor(BatchLogRecordProcessor(found.logs))
    tracing.add_span_processor(BatchSpanProcessor(found.spans))
    view = View(
        instrument_type=Histogram,
        instrument_name="size",
        aggregation=ExponentialBucketHistogramAggregation(),
    )
    reader = PeriodicExportingMetricReader(found.metrics, export_interval_millis=3_600_000)
    measuring = MeterProvider([reader], RESOURCE, views=[view])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        handler = LoggingHandler(logger_provider=logs)
    log = logging.getLogger("shop.orders")
    log.propagate = False
    log.addHandler(handler)
    meter = measuring.get_meter("shop.meter")
    kind = SpanKind.SERVER
    with tracing.get_tracer("shop.tracer", "1.2").start_as_current_span("pay", kind=kind) as span:
        log.warning("order %d is late", 7, extra={"order": 7})
        meter.create_counter("orders", "1").add(3, {"country": "ch"})
        meter.create_gauge("temperature", "Cel").set(21.5)
        meter.create_histogram("latency", "s").record(0.2)
        meter.create_histogram("size", "By").record(1000)
        span.add_event("retry", {"try": 2})
        span.set_status(StatusCode.ERROR, "too late")
    log.removeHandler(handler)
    for provider in (logs, tracing, measuring):
        provider.shutdown()
    context = span.get_span_context()
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def check_log(served: Served, traced: tuple[str, str]) -> None:
    (row,) = served.rows(Signal.LOGS)
    assert (row["body"], row["severity"], row["service"]) == ("order 7 is late", "WARN", "shop")
    assert (row["trace_id"], row["span_id"]) == traced
    assert row["attributes"]["order"] == 7
    assert row["attributes"]["otel.scope.name"] == "shop.orders"
    assert row["resource"]["host.name"] == "h1"


def check_span(served: Served, traced: tuple[str, str]) -> None:
    (row,) = served.rows(Signal.SPANS)
    assert (row["trace_id"], row["span_id"]) == traced
    assert (row["name"], row["kind"], row["service"]) == ("pay", "server", "shop")
    assert (row["status"], row["status_message"]) == ("error", "too late")
    assert (row["scope_name"], row["scope_version"]) == ("shop.tracer", "1.2")
    assert [(event["name"], event["attributes"]) for event in row["events"]] == [
        ("retry", {"try": "2"})
    ]
    assert row["duration"] > 0


def check_metrics(served: Served) -> None:
    rows = {row["name"]: row for row in served.rows(Signal.METRICS)}
    assert (rows["orders"]["value"], rows["orders"]["kind"], rows["orders"]["unit"]) == (
        3.0, "counter", "1",
    )  # fmt: skip
    assert rows["orders"]["attributes"] == {
        "country": "ch", "service.name": "shop", "host.name": "h1", "otel.scope.name": "shop.meter",
    }  # fmt: skip
    assert (rows["temperature"]["value"], rows["temperature"].get("kind")) == (21.5, None)
    assert (rows["latency_count"]["value"], rows["latency_sum"]["value"]) == (1.0, 0.2)
    assert rows["latency_bucket"]["attributes"]["le"] == "+Inf"
    assert rows["size_count"]["value"] == 1.0
    buckets = [row for row in served.rows(Signal.METRICS) if row["name"] == "size_bucket"]
    low, high = (float(row["attributes"]["le"]) for row in buckets[-3:-1])
    assert low < 1000 <= high
    assert [row["value"] for row in buckets[-3:-1]] == [0.0, 1.0]
