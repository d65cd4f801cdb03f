"""Texts in every place of a request that is kept, through every door.

Each function sends to one door and gives how many rows it sent, by signal. A place's texts come
from `Texts`, by the place's name: one for each row.
"""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import cramjam
import grpc
import msgspec
from fluent.sender import FluentSender
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc import LogsServiceStub
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from personal import Corpus
from running import Answer, Server
from test_metrics import frame

from tailrace.core.frame import Codec, Frame, Header, Signal
from tailrace.core.payload import compress, describe
from tailrace.wire import frames, samples, spans
from tailrace.wire.otlp.walk import encode_varint
from tailrace.wire.samples import Exemplar, Sample
from tailrace.wire.spans import Event, Span

HTTP = ("tailrace", "otlp", "loki", "elasticsearch", "splunk", "prometheus")
SOCKETS = ("otlp-grpc", "syslog-udp", "syslog-tcp", "forward")
JSON = {"content_type": "application/json"}
PROTOBUF = {"content_type": "application/x-protobuf"}
Ports = Mapping[str, int]
Sent = Counter[str]
Ids = Callable[[int, int], str]


class Doors:
    """A server's doors: HTTP ones by name, `ports` of them all. `away`: it takes nothing, and says
    when to come again."""

    def __init__(self, server: Server, ports: Ports, away: bool = False) -> None:
        self.away = away
        self.server = server
        self.ports = ports
        self.http: dict[str, Server] = {}
        for kind in HTTP:
            self.http[kind] = Server(server.home)
            self.http[kind].port = ports[kind]

    def post(self, kind: str, path: str, body: bytes, **headers: str) -> Answer:
        """What is sent is taken, or is to come again."""
        answer = self.http[kind].post(path, body, **headers)
        assert answer.status in ((503,) if self.away else (200, 204)), (kind, path, answer)
        if self.away:
            said = {name.lower(): value for name, value in answer.headers.items()}
            assert int(said["retry-after"]) >= 1, (kind, path)
        return answer

    def call(self, method: Callable[[Any], Any], request: Any) -> None:
        """The same over gRPC."""
        try:
            method(request)
        except grpc.RpcError as error:
            assert self.away and error.code() is grpc.StatusCode.UNAVAILABLE, error
        else:
            assert not self.away


def lines(doors: Doors, corpus: Corpus) -> Sent:
    """Rows, and what names their origin."""
    texts = corpus.texts("lines", newlines=False)
    body = "".join(f"{text}\n" for text in texts).encode()
    doors.post("tailrace", "/ingest/lines?service=lines", body)
    named = corpus.texts("lines, host", newlines=False)
    for number, text in enumerate(named):
        query = f"service=named&host={quoted(text)}"
        doors.post("tailrace", f"/ingest/lines?{query}", f"row {number}\n".encode())
    return Counter(logs=len(texts) + len(named))


def records(doors: Doors, corpus: Corpus) -> Sent:
    """Canonical ones, and foreign ones with values deep within."""
    places = ("body", "attribute", "attribute's name", "resource")
    canonical = [
        {"body": body, "service": "records", "attributes": {"note": value, name: "x"},
         "resource": {"note": resource}}
        for body, value, name, resource in _columns(corpus, "records", places)
    ]  # fmt: skip
    members = corpus.members("records, members")
    canonical.append({"body": "members", "service": "records", "attributes": members})
    doors.post("tailrace", "/ingest/records", _ndjson(canonical))
    places = ("message", "nested", "list", "name")
    foreign = [
        {"msg": message, "service": "foreign", "pay": {"to": {"note": nested}},
         "all": [{"x": listed}], name: 1}
        for message, nested, listed, name in _columns(corpus, "foreign", places)
    ]  # fmt: skip
    foreign.append({"msg": "members", "service": "foreign", **corpus.members("foreign, members")})
    foreign.append({"msg": "deep", "pay": {"list": [corpus.members("foreign, deep members")]}})
    doors.post("tailrace", "/ingest/records", _ndjson(foreign))
    return Counter(logs=len(canonical) + len(foreign))


def framed(doors: Doors, corpus: Corpus) -> Sent:
    """Of all signals, with identifiers in the header."""
    now = time.time_ns()
    plain = corpus.texts("frames of lines", newlines=False)
    joined = corpus.texts("frames of joined lines")
    header = corpus.texts("frames, resource", newlines=False)
    named = {f"note {n}": text for n, text in enumerate(header)}
    sampled = _columns(corpus, "frames of samples", ("label", "name", "exemplar"))
    points = [
        Sample(now, "framed.gauge", 1.0, attributes={"note": label, name: "x"},
               exemplars=[Exemplar(now, 0.5, "a1", "b2", {"note": behind})])
        for label, name, behind in sampled
    ]  # fmt: skip
    places = ("name", "attribute", "attribute's name", "event", "event's attribute", "status")
    traced = [
        Span(now, name, f"{n + 1:032x}", f"{n + 1:016x}", 1_000, service="framed",
             attributes={"note": value, key: "x"}, status="error", status_message=status,
             events=[Event(now, event, {"note": inner})])
        for n, (name, value, key, event, inner, status) in enumerate(
            _columns(corpus, "frames of spans", places)
        )
    ]  # fmt: skip
    sent = [
        lined("plain", "".join(f"{text}\n" for text in plain).encode(), {"service.name": "framed"}),
        lined("joined", "".join(text.replace("\n", "\x1e") + "\n" for text in joined).encode(),
              {"service.name": "joined"}),
        lined("header", b"with a header\n", {"service.name": "header", **named}),
        frame(samples.encode(points), 1, "points", Signal.METRICS, service_name="framed"),
        frame(spans.encode(traced), 1, "traced", Signal.SPANS, service_name="framed"),
    ]  # fmt: skip
    doors.post("tailrace", "/ingest/frames", frames.encode(sent))
    return Counter(logs=len(plain) + len(joined) + 1, samples=len(points), spans=len(traced))


def lined(source: str, data: bytes, resource: dict[str, str], seq: int = 1) -> Frame:
    """A frame of lines."""
    facts = describe(data)
    header = Header(
        "default", source, 1, seq, facts.rows, facts.bytes, facts.checksum, time.time_ns(),
        codec=Codec.LINES, resource=resource,
    )  # fmt: skip
    return Frame(header, compress(data))


def loki(doors: Doors, corpus: Corpus) -> Sent:
    """JSON and protobuf: lines, metadata and labels."""
    columns = list(_columns(corpus, "loki JSON", ("line", "metadata", "label")))
    streams = [
        {"stream": {"service_name": "loki", "note": label},
         "values": [[str(time.time_ns()), line, {"meta": metadata}]]}
        for line, metadata, label in columns
    ]  # fmt: skip
    doors.post("loki", "/loki/api/v1/push", json.dumps({"streams": streams}).encode(), **JSON)
    body, count = b"", 0
    for line, metadata, label in _columns(corpus, "loki protobuf", ("line", "metadata", "label")):
        stamp = _number(1, int(time.time())) + _number(2, 7)
        pair = _nested(1, b"meta") + _nested(2, metadata.encode())
        entry = _nested(1, stamp) + _nested(2, line.encode()) + _nested(3, pair)
        labels = f'{{service_name="loki-protobuf",note={json.dumps(label, ensure_ascii=False)}}}'
        body += _nested(1, _nested(1, labels.encode()) + _nested(2, entry))
        count += 1
    doors.post("loki", "/loki/api/v1/push", bytes(cramjam.snappy.compress_raw(body)), **PROTOBUF)
    return Counter(logs=len(columns) + count)


def otlp_json(doors: Doors, corpus: Corpus) -> Sent:
    logs = _otlp_logs(corpus, "OTLP JSON")
    traces = _otlp_traces(corpus, "OTLP JSON", lambda n, size: f"{n + 1_000:0{2 * size}x}")
    metrics = _otlp_metrics(corpus, "OTLP JSON")
    for path, body in (("logs", logs), ("traces", traces), ("metrics", metrics)):
        doors.post("otlp", f"/v1/{path}", json.dumps(body).encode(), **JSON)
    return _otlp_counts(logs, traces, metrics)


def otlp_protobuf(doors: Doors, corpus: Corpus) -> Sent:
    body = _otlp_logs(corpus, "OTLP protobuf")
    sent = ParseDict(body, ExportLogsServiceRequest()).SerializeToString()
    doors.post("otlp", "/v1/logs", sent, **PROTOBUF)
    return Counter(logs=len(body["resourceLogs"][0]["scopeLogs"][0]["logRecords"]))


def otlp_grpc(doors: Doors, corpus: Corpus) -> Sent:
    def ids(number: int, size: int) -> str:
        return base64.b64encode((number + 2_000).to_bytes(size, "big")).decode()

    logs = _otlp_logs(corpus, "OTLP gRPC")
    traces = _otlp_traces(corpus, "OTLP gRPC", ids)
    metrics = _otlp_metrics(corpus, "OTLP gRPC")
    with grpc.insecure_channel(f"127.0.0.1:{doors.ports['otlp-grpc']}") as channel:
        for stub, asked in (
            (LogsServiceStub, ParseDict(logs, ExportLogsServiceRequest())),
            (TraceServiceStub, ParseDict(traces, ExportTraceServiceRequest())),
            (MetricsServiceStub, ParseDict(metrics, ExportMetricsServiceRequest())),
        ):
            doors.call(stub(channel).Export, asked)
    return _otlp_counts(logs, traces, metrics)


def _otlp_logs(corpus: Corpus, door: str) -> dict[str, Any]:
    places = ("body", "attribute", "attribute's name", "deep")
    made = [
        {"timeUnixNano": str(time.time_ns()), "body": {"stringValue": body},
         "attributes": [*_texts(note=value), *_texts(**{name: "x"}), _deep(deep)]}
        for body, value, name, deep in _columns(corpus, f"{door} logs", places)
    ]  # fmt: skip
    made.append({"body": {"stringValue": "x"}, "attributes": _members(corpus, f"{door} logs")})
    inner = {"values": _members(corpus, f"{door} bodies")}
    made.append({"body": {"kvlistValue": inner}, "attributes": []})
    scope = {"scope": {"name": "guarded"}, "logRecords": made}
    return {"resourceLogs": [{"resource": _resource(corpus, f"{door} logs"), "scopeLogs": [scope]}]}


def _otlp_traces(corpus: Corpus, door: str, ids: Ids) -> dict[str, Any]:
    now = str(time.time_ns())
    places = ("name", "attribute", "attribute's name", "event", "event's attribute", "status")
    made = [
        {"traceId": ids(n, 16), "spanId": ids(n, 8), "name": name, "startTimeUnixNano": now,
         "endTimeUnixNano": now, "attributes": [*_texts(note=value), *_texts(**{key: "x"})],
         "events": [{"timeUnixNano": now, "name": event, "attributes": _texts(note=inner)}],
         "status": {"code": 2, "message": status}}
        for n, (name, value, key, event, inner, status) in enumerate(
            _columns(corpus, f"{door} spans", places)
        )
    ]  # fmt: skip
    made[0]["attributes"] += _members(corpus, f"{door} spans")
    resource = _resource(corpus, f"{door} spans")
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": made}]}]}


def _otlp_metrics(corpus: Corpus, door: str) -> dict[str, Any]:
    now = str(time.time_ns())
    points = [
        {"timeUnixNano": now, "asDouble": 1.0, "attributes": _texts(note=label, door=door),
         "exemplars": [{"timeUnixNano": now, "asDouble": 1, "filteredAttributes": _texts(x=more)}]}
        for label, more in _columns(corpus, f"{door} metrics", ("label", "exemplar"))
    ]  # fmt: skip
    metric = {"name": "guarded.gauge", "gauge": {"dataPoints": points}}
    return {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}


def _otlp_counts(logs: Any, traces: Any, metrics: Any) -> Sent:
    return Counter(
        logs=len(logs["resourceLogs"][0]["scopeLogs"][0]["logRecords"]),
        spans=len(traces["resourceSpans"][0]["scopeSpans"][0]["spans"]),
        samples=len(
            metrics["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["gauge"]["dataPoints"]
        ),
    )


def _resource(corpus: Corpus, place: str) -> dict[str, Any]:
    texts = corpus.texts(f"{place}, resource")
    named = {f"note {n}": text for n, text in enumerate(texts)}
    return {"attributes": _texts(**{"service.name": "otlp"}, **named)}


def _texts(**values: str) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in values.items()]


def _members(corpus: Corpus, place: str) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": {"intValue": str(value)} if isinstance(value, int)
         else {"stringValue": value}}
        for key, value in corpus.members(f"{place}, members").items()
    ]  # fmt: skip


def _deep(text: str) -> dict[str, Any]:
    inner = {"arrayValue": {"values": [{"stringValue": text}]}}
    return {"key": "deep", "value": {"kvlistValue": {"values": [{"key": "in", "value": inner}]}}}


def remote_write(doors: Doors, corpus: Corpus) -> Sent:
    texts = corpus.texts("remote write")
    body = b""
    for text in texts:
        labels = {"__name__": "guarded_total", "job": "remote", "note": text}
        pairs = b"".join(
            _nested(1, _nested(1, name.encode()) + _nested(2, value.encode()))
            for name, value in labels.items()
        )
        point = b"\x09" + struct.pack("<d", 1.0) + _number(2, time.time_ns() // 10**6)
        body += _nested(1, pairs + _nested(2, point))
    packed = bytes(cramjam.snappy.compress_raw(body))
    doors.post("prometheus", "/api/v1/write", packed, content_encoding="snappy", **PROTOBUF)
    return Counter(samples=len(texts))


def bulk(doors: Doors, corpus: Corpus) -> Sent:
    made: list[dict[str, Any]] = []
    columns = list(_columns(corpus, "_bulk", ("message", "field", "name", "nested")))
    for message, value, name, nested in columns:
        made.append({"create": {"_index": "logs-guarded-default"}})
        made.append({
            "message": message, "note": value, name: "x", "service": {"name": "bulk"},
            "pay": {"to": [{"note": nested}]},
        })  # fmt: skip
    made += [
        {"create": {"_index": "logs-x"}},
        {"message": "members", "pay": corpus.members("_bulk, members")},
    ]
    headers = {"content_type": "application/x-ndjson"}
    answer = doors.post("elasticsearch", "/_bulk", _ndjson(made), **headers)
    assert doors.away or not answer.json()["errors"]
    return Counter(logs=len(columns) + 1)


def splunk(doors: Doors, corpus: Corpus) -> Sent:
    events: list[dict[str, Any]] = [
        {"event": text, "fields": {"service": "splunk", "note": value}, "source": source}
        for text, value, source in _columns(corpus, "HEC", ("event", "field", "source"))
    ]
    events += [
        {"event": {"message": text, "deep": {"note": deep}}}
        for text, deep in _columns(corpus, "HEC object", ("message", "nested"))
    ]
    events.append({"event": corpus.members("HEC, members")})
    events.append({"event": "members", "fields": corpus.members("HEC, fields")})
    doors.post("splunk", "/services/collector/event", _ndjson(events))
    raw = corpus.texts("HEC raw", newlines=False)
    body = "".join(f"{text}\n" for text in raw).encode()
    doors.post("splunk", "/services/collector/raw?sourcetype=raw", body)
    return Counter(logs=len(events) + len(raw))


def syslog(doors: Doors, corpus: Corpus) -> Sent:
    """Over both sockets; messages, and over TCP structured data too."""
    over_udp = corpus.texts("syslog UDP")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        for text in over_udp:
            udp.sendto(_message(text), ("127.0.0.1", doors.ports["syslog-udp"]))
    over_tcp = [_message(text) for text in corpus.texts("syslog TCP")]
    over_tcp += [_message("structured", text) for text in corpus.texts("syslog data", False)]
    with socket.create_connection(("127.0.0.1", doors.ports["syslog-tcp"])) as tcp:
        tcp.sendall(b"".join(b"%d %b" % (len(one), one) for one in over_tcp))
    return Counter(logs=len(over_udp) + len(over_tcp))


def _message(text: str, data: str = "") -> bytes:
    escaped = data.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")
    structured = f'[x@1 note="{escaped}"]' if data else "-"
    return f"<14>1 - guardhost guardd 7 - {structured} {text}".encode()


def forward(doors: Doors, corpus: Corpus) -> Sent:
    columns = list(_columns(corpus, "forward", ("message", "field", "name", "nested")))
    sender = FluentSender("guarded", "127.0.0.1", doors.ports["forward"])
    try:
        for message, value, name, nested in columns:
            record = {"message": message, "note": value, name: "x", "deep": {"in": [nested]}}
            assert sender.emit("cart", {"service": "forward", **record})
        assert sender.emit("cart", {"message": "members", **corpus.members("forward, members")})
    finally:
        sender.close()
    return Counter(logs=len(columns) + 1)


@contextlib.contextmanager
def forwarded(doors: Doors, chunk: bytes) -> Iterator[Callable[[], bool]]:
    """A chunk of one entry on its way; whether it has been acknowledged by now."""
    message = ["cart", int(time.time()), {"message": "acknowledge me"}, {"chunk": chunk.decode()}]
    with socket.create_connection(("127.0.0.1", doors.ports["forward"])) as sender:
        sender.sendall(msgspec.msgpack.encode(message))
        sender.setblocking(False)

        def acknowledged() -> bool:
            try:
                return chunk in sender.recv(1024)
            except BlockingIOError:
                return False

        yield acknowledged


def announced(doors: Doors, corpus: Corpus) -> Sent:
    """What agents say of themselves makes no row."""
    places = ("input", "gateway", "host")
    texts = (corpus.texts(f"announcement, {place}", newlines=False) for place in places)
    for number, (named, gateway, host) in enumerate(zip(*texts, strict=True)):
        said = {
            "source": f"guarded-{number}", "version": "1", "gateway": gateway,
            "host": host if host.isprintable() else "unprintable is refused",
            "pid": 1, "started_ns": time.time_ns(), "interval_s": 60.0,
            "inputs": [{"type": "file", "named": named}], "inputs_total": 1,
        }  # fmt: skip
        answer = doors.server.post("/agents/announce", json.dumps(said).encode(), **JSON)
        assert answer.status == 200, answer
    return Counter()


ANSWERING = (
    lines, records, framed, loki, otlp_json, otlp_protobuf, otlp_grpc, remote_write, bulk, splunk,
)  # fmt: skip
ALL = (*ANSWERING, syslog, forward, announced)


def _columns(corpus: Corpus, door: str, places: Iterable[str]) -> Iterable[tuple[str, ...]]:
    """One text for each place, as many times as there are forms."""
    return zip(*(corpus.texts(f"{door}, {place}") for place in places), strict=True)


def _ndjson(rows: Iterable[Mapping[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def quoted(text: str) -> str:
    """With every byte escaped."""
    return "".join(f"%{byte:02X}" for byte in text.encode())


def _number(number: int, value: int) -> bytes:
    return encode_varint(number << 3) + encode_varint(value)


def _nested(number: int, value: bytes) -> bytes:
    return encode_varint(number << 3 | 2) + encode_varint(len(value)) + value
