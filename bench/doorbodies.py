"""Requests as the usual clients of each door send them: invented rows of one shop."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cramjam
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from tailrace.wire.otlp.walk import encode_varint

RECORDS = 2_000
SERIES = 2_000
# Headers of a remote write.
REMOTE_WRITE = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
_START_NS = 1_790_000_000_000_000_000
_WORDS = [
    "order",
    "placed",
    "paid",
    "shipped",
    "cart",
    "customer",
    "stock",
    "payment",
    "retry",
    "upstream",
    "timeout",
    "ok",
]


@dataclass(frozen=True)
class Bodies:
    """`bodies` of `rows` rows each for one path, sent over and over. `goal`: rows a CPU second."""

    name: str
    path: str
    headers: dict[str, str]
    bodies: list[bytes]
    rows: int
    row_bytes: float
    goal: float


def _line(chance: random.Random) -> str:
    words = " ".join(chance.choices(_WORDS, k=14))
    return f"order {chance.getrandbits(40):010x} {words} in {chance.randrange(2000)} ms"


def otlp_logs(count: int = 8) -> Bodies:
    """Ten resources, six attributes a record, trace ids."""
    chance = random.Random(1)
    bodies = []
    for number in range(count):
        request = ExportLogsServiceRequest()
        for host in range(10):
            group = request.resource_logs.add()
            for name, value in (("service.name", "shop"), ("host.name", f"host-{host}")):
                attribute = group.resource.attributes.add(key=name)
                attribute.value.string_value = value
            scope = group.scope_logs.add()
            scope.scope.name = "shop.orders"
            for row in range(RECORDS // 10):
                record = scope.log_records.add(
                    time_unix_nano=_START_NS + (number * RECORDS + row) * 1_000_000,
                    severity_number=9,
                    severity_text="INFO",
                    trace_id=chance.randbytes(16),
                    span_id=chance.randbytes(8),
                )
                record.body.string_value = _line(chance)
                for name in ("customer", "method", "path", "region"):
                    attribute = record.attributes.add(key=f"http.{name}")
                    attribute.value.string_value = f"{name}-{chance.randrange(100)}"
                attribute = record.attributes.add(key="http.status_code")
                attribute.value.int_value = 200
                attribute = record.attributes.add(key="duration")
                attribute.value.double_value = chance.random()
        bodies.append(request.SerializeToString())
    headers = {"Content-Type": "application/x-protobuf"}
    return _bodies("OTLP/HTTP protobuf logs", "/v1/logs", headers, bodies, RECORDS, 150_000)


def loki(count: int = 8) -> Bodies:
    """Twenty streams of five labels; half of the entries with two pairs of metadata."""
    chance = random.Random(2)
    bodies = []
    for number in range(count):
        streams = b""
        for host in range(20):
            labels = f'{{app="shop",env="prod",host="host-{host}",level="info",region="eu-west-1"}}'
            entries = b""
            for row in range(RECORDS // 20):
                time_ns = _START_NS + (number * RECORDS + row) * 1_000_000
                stamp = field(1, time_ns // 10**9) + field(2, time_ns % 10**9)
                entry = nested(1, stamp) + nested(2, _line(chance).encode())
                if row % 2:
                    for name in ("trace_id", "customer"):
                        value = f"{chance.getrandbits(128):032x}".encode()
                        pair = nested(1, name.encode()) + nested(2, value)
                        entry += nested(3, pair)
                entries += nested(2, entry)
            streams += nested(1, nested(1, labels.encode()) + entries)
        bodies.append(bytes(cramjam.snappy.compress_raw(streams)))
    headers = {"Content-Type": "application/x-protobuf"}
    return _bodies("Loki snappy protobuf", "/loki/api/v1/push", headers, bodies, RECORDS, 250_000)


def bulk(count: int = 8) -> Bodies:
    """Elasticsearch: create actions of ECS documents."""
    chance = random.Random(3)
    bodies = []
    for number in range(count):
        lines = []
        for row in range(RECORDS):
            milliseconds = (number * RECORDS + row) % 1000
            lines.append('{"create":{"_index":"logs-shop-default"}}')
            document = {
                "@timestamp": f"2026-09-21T12:00:00.{milliseconds:03d}Z",
                "message": _line(chance),
                "log": {"level": "info", "logger": "shop.orders"},
                "service": {"name": "shop"},
                "host": {"name": f"host-{row % 10}"},
                "trace": {"id": f"{chance.getrandbits(128):032x}"},
                "http": {"method": "GET", "status": 200},
            }
            lines.append(json.dumps(document, separators=(",", ":")))
        bodies.append("\n".join(lines).encode() + b"\n")
    headers = {"Content-Type": "application/x-ndjson"}
    return _bodies("Elasticsearch _bulk", "/_bulk", headers, bodies, RECORDS, 150_000)


def remote_write(count: int = 8) -> Bodies:
    """Ten labels a series, one sample each, the same series in every body."""
    bodies = []
    for number in range(count):
        series = b""
        for one in range(SERIES):
            labels = {
                "__name__": "http_requests_total", "code": "200", "env": "prod", "handler": "/cart",
                "instance": f"10.0.0.{one % 250}:9100", "job": "shop", "method": "GET",
                "pod": f"shop-{one}", "region": "eu-west-1", "zone": "eu-west-1a",
            }  # fmt: skip
            milliseconds = _START_NS // 10**6 + number * 15_000
            series += written(labels, 1000.0 * one + number, milliseconds)
        bodies.append(bytes(cramjam.snappy.compress_raw(series)))
    return _bodies(
        "Prometheus remote write", "/api/v1/write", REMOTE_WRITE, bodies, SERIES, 1_000_000
    )


def written(labels: Mapping[str, str], value: float, milliseconds: int) -> bytes:
    """One series of a remote write, with one sample."""
    pairs = b"".join(
        nested(1, nested(1, name.encode()) + nested(2, text.encode()))
        for name, text in labels.items()
    )
    sample = b"\x09" + struct.pack("<d", value) + field(2, milliseconds)
    return nested(1, pairs + nested(2, sample))


def ndjson(count: int = 8) -> Bodies:
    """Canonical records, not compressed. The goal is 150 MB a CPU second."""
    chance = random.Random(4)
    bodies = []
    for number in range(count):
        lines = []
        for row in range(3 * RECORDS):
            record = {
                "time": _START_NS + (number * RECORDS + row) * 1_000_000,
                "severity": "INFO",
                "body": _line(chance),
                "service": "shop",
                "trace_id": f"{chance.getrandbits(128):032x}",
                "attributes": {"method": "GET", "status": "200", "customer": f"c{row}"},
                "resource": {"host.name": f"host-{row % 10}"},
            }
            lines.append(json.dumps(record, separators=(",", ":")))
        bodies.append("\n".join(lines).encode() + b"\n")
    found = _bodies("NDJSON", "/ingest/records", {}, bodies, 3 * RECORDS, 0)
    goal = 150e6 / found.row_bytes
    return Bodies(found.name, found.path, {}, bodies, found.rows, found.row_bytes, goal)


ALL: dict[str, Callable[[], Bodies]] = {
    "otlp": otlp_logs,
    "loki": loki,
    "elasticsearch": bulk,
    "prometheus": remote_write,
    "tailrace": ndjson,
}


def _bodies(
    name: str, path: str, headers: dict[str, str], bodies: list[bytes], rows: int, goal: float
) -> Bodies:
    size = sum(map(len, bodies)) / len(bodies) / rows
    return Bodies(name, path, headers, bodies, rows, size, goal)


def field(number: int, value: int) -> bytes:
    """A protobuf field that holds a number."""
    return encode_varint(number << 3) + encode_varint(value)


def nested(number: int, value: bytes) -> bytes:
    """A protobuf field that holds bytes."""
    return encode_varint(number << 3 | 2) + encode_varint(len(value)) + value
