"""Valid bodies of every protocol: small, with every kind of field that its decoder looks at."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from typing import Any

import cramjam
import msgspec
from google.protobuf import json_format
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from remote import V1, V2

from tailrace.core.frame import CANONICAL, Codec, Frame, Header, Hints, Signal
from tailrace.core.payload import compress, describe
from tailrace.core.sample import Exemplar, Sample
from tailrace.core.span import Event, Link, Span
from tailrace.wire import frames, loki, samples, spans

NOW = 1_790_000_000_000_000_001
TRACE, SPAN = "ab" * 16, "cd" * 8

LINES = (
    f"2026-09-21T14:13:20Z ERROR trace_id={TRACE} refused\n\n plain £\n".encode(),
    b"no newline at its end",
)
RECORDS = (
    json.dumps(
        {
            "time": NOW, "severity": "INFO", "body": "paid", "service": "shop",
            "trace_id": TRACE, "span_id": SPAN,
            "attributes": {"user": "u1", "n": 1.5, "ok": True, "none": None, "list": [1, {}]},
            "resource": {"host.name": "h1"},
        }
    ).encode() + b'\n{"body":"second"}\n',
    b'{"ts":"2026-09-21T14:13:20Z","msg":"foreign","deep":{"a":[1,{"b":null}]}}\n{"ts":5}',
    b'[{"body":"of an array","time":1},\n {"body":"two"}]',
)  # fmt: skip
SYSLOG = (
    b"<165>1 2026-10-11T22:14:15.003Z mymachine evntslog 7 ID47 "
    b'[exampleSDID@32473 iut="3" eventSource="App\\"]"] \xef\xbb\xbfan event\n'
    b"<34>Oct 11 22:14:15 mymachine su[12]: 'su root' failed\nno priority\n",
)
JOURNAL = (
    b'{"__CURSOR":"c1","__REALTIME_TIMESTAMP":"1790000000000001","MESSAGE":"hi","PRIORITY":"3"}\n'
    b'{"__CURSOR":"c2","__REALTIME_TIMESTAMP":"1790000000000002","MESSAGE":[104,255],'
    b'"_PID":"12","UNIT":["a",[98,99]],"EMPTY":null}\n',
)
MYSQL = (
    b"# Time: 2026-11-24T18:31:54.123456Z\n"
    b"# User@Host: app[app] @ web1.example.com [192.0.2.7]  Id:     8\n"
    b"# Query_time: 1.500000  Lock_time: 0.000002 Rows_sent: 2  Rows_examined: 1000\n"
    b"use `shop``s`;\nSET timestamp=1795545112;\n"
    b"SELECT *\n  FROM orders WHERE note = \"a;\" AND id IN (1, 2);\n"
    b"# administrator command: Quit;\n2026-11-24T18:31:56.000000Z 0 [Warning] [Server] a word\n",
)  # fmt: skip
POSTGRESQL = (
    b"2026-11-24 18:31:53.072 UTC [42] app@shop LOG:  duration: 1.234 ms  statement: select *\n"
    b"\t  from orders where id in (1, 2)\n"
    b"2026-11-24 18:31:54.072 UTC [42] app@shop ERROR:  relation \"missing\" does not exist\n"
    b"2026-11-24 18:31:54.072 UTC [42] app@shop STATEMENT:  select 'x' from missing\n",
)  # fmt: skip
EXPOSITION = (
    b"# HELP http_requests What was asked\n# TYPE http_requests counter\n"
    b'http_requests_total{code="200",path="a\\"b"} 1027 1790000000000\n'
    b"# TYPE size histogram\n"
    b'size_bucket{le="+Inf"} 3\nsize_sum NaN\nsize_count 3\nup 1\n',
)
OPENMETRICS = (
    b'# TYPE a counter\n# UNIT a seconds\na_total{x="y"} 5 1790000000.5 # {trace_id="ab"} 0.5\n'
    b"# TYPE b gauge\nb -1e3\n# EOF\n",
)
LABELS = (b'{app="shop", level="warn", odd="a\\"b\\\\c\\nd"}',)


def _loki_json() -> bytes:
    values: list[list[Any]] = [
        [str(NOW), "one", {"trace_id": TRACE, "user": "u"}],
        [str(NOW), "two"],
    ]
    return json.dumps({"streams": [{"stream": {"app": "shop"}, "values": values}]}).encode()


def _loki_protobuf() -> bytes:
    push = loki._messages["Push"]()
    stream = push.streams.add(labels=b'{app="shop", level="warn"}')
    for line in (b"one", b"t\xffo"):
        entry = stream.entries.add(line=line)
        entry.timestamp.seconds, entry.timestamp.nanos = divmod(NOW, 10**9)
    stream.entries[0].metadata.add(name=b"trace_id", value=TRACE.encode())
    return bytes(push.SerializeToString())


def snappy(data: bytes) -> bytes:
    """A raw block."""
    return bytes(cramjam.snappy.compress_raw(data))


LOKI_JSON = (_loki_json(),)
# Before its compression.
LOKI_PROTOBUF = (_loki_protobuf(),)

_NESTED = {"kvlistValue": {"values": [
    {"key": "ids", "value": {"arrayValue": {"values": [{"intValue": "7"}, {}]}}}]}}  # fmt: skip
_LOGS: dict[str, Any] = {"resourceLogs": [{
    "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
    "scopeLogs": [{"scope": {"name": "lib"}, "logRecords": [
        {"timeUnixNano": str(NOW), "severityNumber": 17, "severityText": "Error",
         "traceId": TRACE.upper(), "spanId": SPAN, "eventName": "e", "body": _NESTED,
         "attributes": [{"key": "user", "value": _NESTED},
                        {"key": "ok", "value": {"boolValue": True}},
                        {"key": "share", "value": {"doubleValue": "NaN"}},
                        {"key": "raw", "value": {"bytesValue": "AAE="}}]},
        {"observedTimeUnixNano": NOW, "body": {"stringValue": "plain"}},
    ]}],
}]}  # fmt: skip


def _logs_protobuf() -> bytes:
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.add(key="service.name").value.string_value = "shop"
    scope = group.scope_logs.add()
    scope.scope.name = "lib"
    record = scope.log_records.add(time_unix_nano=NOW, severity_number=17, event_name="e")
    record.trace_id, record.span_id = bytes.fromhex(TRACE), bytes.fromhex(SPAN)
    record.body.kvlist_value.values.add(key="a").value.int_value = -5
    user = record.attributes.add(key="user").value.kvlist_value.values.add(key="ids")
    user.value.array_value.values.add().double_value = float("nan")
    record.attributes.add(key="raw").value.bytes_value = b"\x00\xff"
    return bytes(request.SerializeToString())


def _metrics_protobuf() -> bytes:
    request = ExportMetricsServiceRequest()
    group = request.resource_metrics.add()
    group.resource.attributes.add(key="service.name").value.string_value = "shop"
    scope = group.scope_metrics.add()
    scope.scope.name = "lib"
    gauge = scope.metrics.add(name="load", unit="1").gauge.data_points.add(time_unix_nano=NOW)
    gauge.as_double = float("nan")
    gauge.attributes.add(key="cpu").value.int_value = 0
    counter = scope.metrics.add(name="asked").sum
    counter.is_monotonic, counter.aggregation_temporality = True, 2
    point = counter.data_points.add(time_unix_nano=NOW, as_int=7)
    exemplar = point.exemplars.add(time_unix_nano=NOW, as_double=0.5)
    exemplar.trace_id, exemplar.span_id = bytes.fromhex(TRACE), bytes.fromhex(SPAN)
    scope.metrics.add(name="gone").gauge.data_points.add(time_unix_nano=NOW, flags=1)
    for kind in ("histogram", "exponential_histogram"):
        distribution = getattr(scope.metrics.add(name=kind), kind)
        distribution.aggregation_temporality = 2
        found = distribution.data_points.add(time_unix_nano=NOW, count=3, sum=4.5)
        if kind == "histogram":
            found.explicit_bounds[:], found.bucket_counts[:] = [0.5, 2.0], [1, 1, 1]
        else:
            found.scale, found.zero_count, found.positive.offset = 1, 1, -2
            found.positive.bucket_counts[:] = [1, 0, 1]
        distribution.data_points.add(time_unix_nano=NOW, flags=1)
    summary = scope.metrics.add(name="summary").summary
    quantile = summary.data_points.add(time_unix_nano=NOW, count=3, sum=4.5).quantile_values.add()
    quantile.quantile, quantile.value = 0.5, 1.5
    return bytes(request.SerializeToString())


def _traces_protobuf() -> bytes:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "shop"
    span = group.scope_spans.add().spans.add(
        name="GET /cart", kind=2, start_time_unix_nano=NOW, end_time_unix_nano=NOW + 5
    )
    span.trace_id, span.span_id = bytes.fromhex(TRACE), bytes.fromhex(SPAN)
    span.status.code, span.status.message = 2, "no such cart"
    span.attributes.add(key="route").value.array_value.values.add().bool_value = True
    span.events.add(time_unix_nano=NOW, name="exception").attributes.add(key="k")
    link = span.links.add(trace_state="a=b")
    link.trace_id, link.span_id = bytes.fromhex(TRACE), bytes.fromhex(SPAN)
    return bytes(request.SerializeToString())


def _as_json(request: Message) -> bytes:
    """As OTLP says it: ids are hexadecimal, which the library writes in base64."""
    text = json_format.MessageToJson(request, use_integers_for_enums=True, indent=None)
    for digits in (TRACE, SPAN):
        text = text.replace(b64encode(bytes.fromhex(digits)).decode(), digits)
    return text.encode()


def _remote() -> bytes:
    request = V1["WriteRequest"]()
    series = request.timeseries.add()
    for name, value in ((b"__name__", b"asked_total"), (b"code", b"200")):
        series.labels.add(name=name, value=value)
    series.samples.add(value=7.5, timestamp=NOW // 10**6)
    series.samples.add(value=0, timestamp=NOW // 10**6 + 1)
    exemplar = series.exemplars.add(value=0.5, timestamp=NOW // 10**6)
    exemplar.labels.add(name=b"trace_id", value=TRACE.encode())
    return bytes(request.SerializeToString())


def _remote2() -> bytes:
    request = V2["Request"](symbols=[b"", b"__name__", b"load", b"code", b"200", b"s"])
    series = request.timeseries.add(labels_refs=[1, 2, 3, 4])
    series.samples.add(value=7.5, timestamp=NOW // 10**6)
    series.metadata.type, series.metadata.unit_ref = 2, 5
    return bytes(request.SerializeToString())


def _remote_histograms() -> bytes:
    request = V1["WriteRequest"]()
    series = request.timeseries.add()
    series.labels.add(name=b"__name__", value=b"took")
    _histograms(series)
    series.exemplars.add(value=0.5, timestamp=NOW // 10**6)
    return bytes(request.SerializeToString())


def _remote2_histograms() -> bytes:
    request = V2["Request"](symbols=[b"", b"__name__", b"took", b"s"])
    series = request.timeseries.add(labels_refs=[1, 2])
    _histograms(series)
    series.metadata.type, series.metadata.unit_ref = 3, 3
    return bytes(request.SerializeToString())


def _histograms(series: Any) -> None:
    one = series.histograms.add(count_int=7, sum=1.5, schema=2, zero_threshold=0.001)
    one.zero_count_int, one.timestamp = 1, NOW // 10**6
    one.negative_spans.add(offset=-3, length=2)
    one.negative_spans.add(offset=4, length=1)
    one.negative_deltas[:] = [1, 1, -1]
    one.positive_spans.add(offset=5, length=1)
    one.positive_counts[:] = [2.5]
    custom = series.histograms.add(count_int=2, schema=-53, timestamp=NOW // 10**6)
    custom.custom_values[:] = [0.5, 2]
    custom.positive_spans.add(offset=1, length=2)
    custom.positive_counts[:] = [1, 1]


# Before their compression.
REMOTE, REMOTE2 = (_remote(), _remote_histograms()), (_remote2(), _remote2_histograms())
# By signal.
OTLP_PROTOBUF = {
    "logs": (_logs_protobuf(),),
    "metrics": (_metrics_protobuf(),),
    "traces": (_traces_protobuf(),),
}
OTLP_JSON = {
    "logs": (json.dumps(_LOGS).encode(),),
    "metrics": (_as_json(ExportMetricsServiceRequest.FromString(_metrics_protobuf())),),
    "traces": (_as_json(ExportTraceServiceRequest.FromString(_traces_protobuf())),),
}
BULK = (
    b'{"create":{"_index":"logs-shop-default"}}\n'
    b'{"@timestamp":"2026-09-21T14:13:20Z","message":"paid","log":{"level":"warn"},"n":[1,{}]}\n'
    b'{"index":{"_index":"app","_id":5}}\n{"@timestamp":1790000000000,"host":{"name":"h1"}}\n'
    b'{"delete":{"_index":"x","_id":"1"}}\n',
)
HEC = (
    b'{"time":1790000000.25,"host":"h1","source":"app","sourcetype":"s","index":"main",'
    b'"event":{"message":"paid","level":"info","n":[1]},"fields":{"user":"u1","list":[1]}}'
    b'{"event":"two","time":"1790000000000"}',
    b'[{"event":"metric","host":"h1","time":1790000000,"fields":{"metric_name:load":0.5,'
    b'"metric_name:asked":7,"cpu":"0"}},{"event":"metric","fields":{"metric_name":"x","_value":1}}]',
)
_EVENT_TIME = msgspec.msgpack.Ext(0, (1_790_000_000).to_bytes(4, "big") + bytes(4))
_RECORD = {"log": "paid", "level": "warn", "deep": {"a": [1, None, b"\xff"]}}
_ENTRIES = msgspec.msgpack.encode([_EVENT_TIME, _RECORD]) + msgspec.msgpack.encode(
    [[1_790_000_000, {"k": "v"}], _RECORD]
)
FORWARD = tuple(
    msgspec.msgpack.encode(message)
    for message in (
        ["app.web", 1_790_000_000, _RECORD, {"chunk": "c1"}],
        ["app.web", [[_EVENT_TIME, _RECORD], [1_790_000_000.5, {}]]],
        ["app.web", _ENTRIES, {"chunk": "c2", "size": 2}],
        ["app.web", compress(_ENTRIES), {"compressed": "zstd"}],
        ["app.web", gzip.compress(_ENTRIES, mtime=0), {"compressed": "gzip"}],
    )
)
SAMPLES = (
    samples.encode(
        [
            Sample(NOW, "system.cpu.time", 12.5, "counter", "s", {"cpu": "0"}),
            Sample(NOW, "size_bucket", float("inf"), attributes={"le": "+Inf"},
                   exemplars=[Exemplar(NOW, 0.5, TRACE, SPAN, {"user": "u"})]),
        ]
    ),
)  # fmt: skip


SPANS = (
    spans.encode(
        [
            Span(NOW, "GET /cart", TRACE, SPAN, 1_500_000, kind="server", service="web",
                 status="error", attributes={"http.route": "/cart"}, resource={"host.name": "h1"},
                 events=[Event(NOW, "exception", {"k": "v"})], links=[Link(TRACE, SPAN)]),
        ]
    ),
)  # fmt: skip


def frame(
    data: bytes,
    signal: Signal,
    codec: Codec,
    rows: int | None = None,
    hints: Hints = CANONICAL,
) -> bytes:
    """A body of one frame whose header is right for `data`, whatever `data` is."""
    facts = describe(data, rows)
    header = Header(
        tenant="default", source="agent-1", epoch=1, seq=facts.checksum >> 32, rows=facts.rows,
        bytes=facts.bytes, checksum=facts.checksum, received_ns=NOW, signal=signal, codec=codec,
        hints=hints, resource={"host.name": "h1"},
    )  # fmt: skip
    return frames.encode([Frame(header, compress(data))])


FOREIGN = Hints("ts", "lvl", "msg", "app", "tid", "sid", "auto", foreign=True)
FRAMES = (
    frame(LINES[0], Signal.LOGS, Codec.LINES) + frame(RECORDS[0], Signal.LOGS, Codec.RECORDS)[4:],
    frame(SAMPLES[0], Signal.METRICS, Codec.RECORDS),
    frame(SPANS[0], Signal.SPANS, Codec.RECORDS),
    frame(OTLP_PROTOBUF["logs"][0], Signal.LOGS, Codec.OTLP, 1),
    frame(b'{"ts":5}\n', Signal.LOGS, Codec.RECORDS, hints=FOREIGN),
)
ANNOUNCEMENT = (
    msgspec.json.encode(
        {
            "source": "agent-1", "version": "0.1.0", "host": "web-1", "pid": 7, "started_ns": NOW,
            "interval_s": 15.0, "inputs": [{"type": "files", "named": "/var/log/*.log"}],
            "dropped": {"spool_full": 3},
            "losses": [{"source": "agent-1", "epoch": 1, "first_seq": 2, "last_seq": 3, "rows": 9,
                        "bytes": 99, "reason": "spool_full", "at_ns": NOW}],
        }
    ),
)  # fmt: skip
