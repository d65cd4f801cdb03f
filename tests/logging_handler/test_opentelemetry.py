"""OpenTelemetry's own SDK and exporter, as its documentation says to use them."""

from __future__ import annotations

import logging

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from .gateways import Gateway


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_the_stock_exporter_sends_to_the_gateway(
    gateway: Gateway, compression: Compression
) -> None:
    provider = LoggerProvider(Resource.create({"service.name": "shop"}))
    exporter = OTLPLogExporter(f"{gateway.url}/v1/logs", compression=compression)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    with pytest.warns(DeprecationWarning):  # it is about to move to the instrumentation
        handler = LoggingHandler(logger_provider=provider)
    log = logging.getLogger("shop.otel")
    log.propagate = False
    log.addHandler(handler)
    with TracerProvider().get_tracer("t").start_as_current_span("s") as span:
        log.warning("order %d is late", 7, extra={"order": 7})
    log.removeHandler(handler)
    provider.shutdown()
    (row,) = gateway.rows()
    context = span.get_span_context()
    assert (row["body"], row["severity"], row["service"]) == ("order 7 is late", "WARN", "shop")
    assert row["trace_id"] == f"{context.trace_id:032x}"
    assert row["span_id"] == f"{context.span_id:016x}"
    assert row["attributes"]["order"] == 7
    assert row["attributes"]["otel.scope.name"] == "shop.otel"
    assert row["attributes"]["code.file.path"] == __file__
    assert gateway.paths == ["/v1/logs"]
