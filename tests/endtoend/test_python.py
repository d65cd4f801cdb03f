"""A Python program's records, by each way of docs/python.md, through `tailrace up` to a query."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

from running import Server, Start

PROGRAM = """
import logging, os, sys, warnings
import structlog
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from tailrace.logging import Handler, Processor

url = sys.argv[1]
handler = Handler(url=url, service="py-handler", resource={"deployment.environment": "test"})
events = Processor(url=url, service="py-structlog")
structlog.configure([events, structlog.processors.JSONRenderer()])
provider = LoggerProvider(Resource.create({"service.name": "py-otel"}))
provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(url + "/v1/logs")))
warnings.simplefilter("ignore")
log = logging.getLogger("shop")
log.setLevel(logging.INFO)
log.addHandler(handler)
log.addHandler(LoggingHandler(logger_provider=provider))

def pay():
    log.info("order %d is paid", 7, extra={"order": 7, "none": None, "big": 2**60, "list": [1]})
    structlog.get_logger().info("order is paid", order=7)
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("not paid")

with TracerProvider().get_tracer("t").start_as_current_span("s") as span:
    pay()
print(f"{span.get_span_context().trace_id:032x}")
"""


def rows(server: Server, query: str) -> list[tuple[dict[str, str], str]]:
    path = f"/loki/api/v1/query_range?query={quote(query)}&limit=50"
    answer = server.get(path)
    assert answer.status == 200, answer
    found: list[tuple[dict[str, str], str]] = []
    for stream in answer.json()["data"]["result"]:
        found += [(stream["stream"], line) for _, line in stream["values"]]
    return found


def test_a_row_is_found_with_its_trace_its_place_and_its_fields(
    start: Start, tmp_path: Path
) -> None:
    server = start()
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done: Any = subprocess.run(
        [sys.executable, str(program), f"http://127.0.0.1:{server.port}"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    trace_id = done.stdout.splitlines()[-1]
    wanted = {"py-handler": 2, "py-structlog": 1, "py-otel": 2}
    server.until(lambda: server.counts("py-.+") == wanted, "stored")
    for service, count in wanted.items():
        found = rows(server, f'{{service_name="{service}"}}')
        assert len(found) == count
        for labels, line in found:
            assert labels["trace_id"] == trace_id, service
            assert labels["code_file_path"] == str(program), service
            assert labels["code_function_name"] == "pay", service
            assert int(labels["code_line_number"]) > 20
            if "is paid" in line:
                assert labels["order"] == "7"
    paid = dict((line, labels) for labels, line in rows(server, '{service_name="py-handler"}'))
    assert paid["order 7 is paid"]["log_template"] == "order %d is paid"
    assert paid["order 7 is paid"]["big"] == str(2**60)
    assert paid["order 7 is paid"]["list"] == "[1]"
    assert paid["order 7 is paid"].get("none", "") == ""
    assert paid["order 7 is paid"]["deployment_environment"] == "test"
    assert paid["not paid"]["exception_type"] == "ZeroDivisionError"
    assert paid["not paid"]["level"] == "error"
