"""An application with the stock OpenTelemetry SDK, through the agent beside it, to queries."""

from __future__ import annotations

import logging
from pathlib import Path
from urllib.parse import quote

import pytest
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from running import Server, free_port


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_logs_metrics_and_traces_reach_a_query_through_the_agent(tmp_path: Path) -> None:
    port = free_port()
    source = f"type='otlp', listen='127.0.0.1:{port}', resource={{'cloud.region'='north'}}"
    server = Server(tmp_path, TAILRACE_AGENT__INPUTS=f"[{{{source}}}]")
    try:
        server.start()
        trace_id = shop(f"http://127.0.0.1:{port}")
        paid = quote('{service_name="shop"} |= "paid"')
        logs = f"/loki/api/v1/query_range?query={paid}"
        server.until(lambda: bool(server.get(logs).json()["data"]["result"]), "the log stored")
        stream = server.get(logs).json()["data"]["result"][0]
        assert stream["stream"]["cloud_region"] == "north"
        query = f"/api/v1/query?query={quote('orders')}"
        server.until(lambda: bool(server.get(query).json()["data"]["result"]), "samples stored")
        sample = server.get(query).json()["data"]["result"][0]
        assert (sample["metric"]["service_name"], sample["value"][1]) == ("shop", "3")
        trace = f"/api/traces/{trace_id}"
        server.until(lambda: server.get(trace).status == 200, "the trace stored")
        (span,) = server.get(trace).json()["data"][0]["spans"]
        assert span["operationName"] == "pay"
    finally:
        server.kill()


def shop(url: str) -> str:
    """What an application does; all of it is sent when this returns. The id of its trace."""
    resource = Resource({"service.name": "shop"})
    spans = TracerProvider(resource=resource)
    spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces")))
    exporter = OTLPMetricExporter(f"{url}/v1/metrics")
    metrics = MeterProvider([PeriodicExportingMetricReader(exporter)], resource)
    logs = LoggerProvider(resource)
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(f"{url}/v1/logs")))
    logger = logging.Logger("shop")
    logger.addHandler(LoggingHandler(logger_provider=logs))
    with spans.get_tracer("t").start_as_current_span("pay") as span:
        logger.warning("order 7 is paid")
        metrics.get_meter("m").create_counter("orders").add(3)
    for provider in (spans, metrics, logs):
        provider.shutdown()
    return f"{span.get_span_context().trace_id:032x}"
