"""The OTLP endpoint of an agent: stock exporters, and senders that mean no good."""

from __future__ import annotations

import gzip
import http.client
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes import FakeGateway
from feeding import Drain
from google.protobuf import json_format
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from test_agent import settings, start

from tailrace.agent.feeds import httpserver, otlp
from tailrace.agent.feeds.otlp import Otlp
from tailrace.agent.inputs import OtlpInput
from tailrace.core import limits
from tailrace.core.errors import ConfigError
from tailrace.core.frame import Codec, Signal
from tailrace.core.payload import expand

PROTOBUF = "application/x-protobuf"
Serve = Callable[[], tuple[Otlp, Drain]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    started: list[Otlp] = []

    def begin() -> tuple[Otlp, Drain]:
        found = Otlp(OtlpInput(listen="127.0.0.1:0"), "x", lambda: None)
        found.start()
        started.append(found)
        return found, Drain(found.intake)

    yield begin
    for one in started:
        one.intake.close()
        one.stop()


@pytest.fixture
def kept(serve: Serve) -> Iterator[tuple[Otlp, Drain]]:
    """An endpoint whose intake is drained all the time, as an agent does."""
    server, drain = serve()
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(0.005):
            drain.step()

    thread = threading.Thread(target=run)
    thread.start()
    yield server, drain
    ended.set()
    thread.join()


def request_of(count: int, size: int = 10, service: str = "shop") -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.add(key="service.name").value.string_value = service
    scope = group.scope_logs.add()
    for number in range(count):
        scope.log_records.add().body.string_value = f"{number} ".ljust(size, "x")
    return request


def metrics_of(count: int) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    scope = request.resource_metrics.add().scope_metrics.add()
    for number in range(count):
        point = scope.metrics.add(name=f"queue.{number}").gauge.data_points.add()
        point.time_unix_nano, point.as_double = 1, number
    return request


def traces_of(count: int) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for number in range(count):
        scope.spans.add(
            name=f"step {number}", trace_id=b"t" * 16, span_id=b"%08d" % number,
            start_time_unix_nano=1, end_time_unix_nano=2,
        )  # fmt: skip
    return request


def post(
    server: Otlp, body: bytes, path: str = "/v1/logs", media_type: str = PROTOBUF, **headers: str
) -> tuple[int, bytes, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection(*server.address, timeout=20)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("POST", path, body, {"Content-Type": media_type, **named})
    answer = connection.getresponse()
    found = (answer.status, answer.read(), answer.headers)
    connection.close()
    return found


def raw(server: Otlp, data: bytes) -> bytes:
    """All that is answered to these bytes, after which the sender says no more."""
    with socket.create_connection(server.address, timeout=20) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def bodies(drain: Drain) -> list[str]:
    return [
        record.body.string_value
        for piece in drain.pieces
        for group in ExportLogsServiceRequest.FromString(bytes(piece.data)).resource_logs
        for scope in group.scope_logs
        for record in scope.log_records
    ]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_the_stock_exporter_reaches_a_gateway_through_the_agent(
    tmp_path: Path, gateway: FakeGateway, compression: Compression
) -> None:
    source = OtlpInput(listen="127.0.0.1:0", resource={"cloud.region": "north"})
    agent, metrics = start(settings(tmp_path, gateway.url, inputs=[source]))
    (feeder,) = agent._feeders
    host, port = feeder.address  # type: ignore[attr-defined]
    exporter = OTLPLogExporter(f"http://{host}:{port}/v1/logs", compression=compression, timeout=9)
    provider = LoggerProvider(Resource({"service.name": "shop"}))
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    logger = logging.Logger("test")
    logger.addHandler(LoggingHandler(logger_provider=provider))
    for number in range(1000):
        logger.error("order %d", number)
    provider.shutdown()
    agent.stop(5.0)
    frames = [frame for _, frame in sorted(gateway.taken.items())]
    assert {frame.header.codec for frame in frames} == {Codec.OTLP}
    assert frames[0].header.resource["cloud.region"] == "north"
    assert sum(frame.header.rows for frame in frames) == 1000
    found = [expand(frame.payload, frame.header.bytes) for frame in frames]
    records = [
        record
        for data in found
        for group in ExportLogsServiceRequest.FromString(data).resource_logs
        for scope in group.scope_logs
        for record in scope.log_records
    ]
    assert [record.body.string_value for record in records] == [f"order {n}" for n in range(1000)]
    assert metrics.get("tailrace_agent_lines_total") == 1000


def test_it_answers_only_when_the_batch_is_durable(serve: Serve) -> None:
    server, _ = serve()
    answered = threading.Event()
    status: list[int] = []

    def send() -> None:
        status.append(post(server, request_of(2).SerializeToString())[0])
        answered.set()

    thread = threading.Thread(target=send)
    thread.start()
    piece = None
    while piece is None:
        piece = server.intake.read(1 << 20, 0.0, hurry=True)
    assert not answered.wait(0.1)
    server.intake.commit(piece.after)
    assert answered.wait(5.0)
    thread.join()
    assert status == [200]
    assert piece.rows == 2


def test_a_spool_that_stalls_is_503_with_retry_after(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp, "_DURABLE_S", 0.1)
    monkeypatch.setattr(otlp, "_ROOM_S", 0.1)
    server, _ = serve()
    body = request_of(30, 99_000).SerializeToString()
    for _ in range(3):  # the intake is full at the last
        status, answer, headers = post(server, body)
        assert (status, headers["Retry-After"]) == (503, "1")
        assert b"send again" in answer


def test_a_request_that_a_stop_breaks_off_is_to_be_sent_again(serve: Serve) -> None:
    server, _ = serve()
    with socket.create_connection(server.address, timeout=20) as client:
        client.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 99\r\n\r\n")
        assert client.recv(99) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"half")
        server.stop()
        assert client.recv(99).startswith(b"HTTP/1.1 503 ")


def test_a_large_request_is_cut_into_frames(kept: tuple[Otlp, Drain]) -> None:
    server, drain = kept
    body = request_of(600, 10_000).SerializeToString()
    assert len(body) > 5 * limits.MIB
    assert post(server, gzip.compress(body, 1), Content_Encoding="gzip")[0] == 200
    assert len(drain.pieces) >= 5
    assert all(len(piece.data) <= limits.MIB for piece in drain.pieces)
    assert [body.split()[0] for body in bodies(drain)] == [str(n) for n in range(600)]


def test_json_becomes_records(kept: tuple[Otlp, Drain]) -> None:
    server, drain = kept
    group = {
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
        "scopeLogs": [{"logRecords": [{"body": {"stringValue": "hi"}, "severityNumber": 17}]}],
    }
    body = json.dumps({"resourceLogs": [group]}).encode()
    status, answer, headers = post(server, body, media_type="application/json; charset=utf-8")
    assert (status, answer, headers["Content-Type"]) == (200, b"{}", "application/json")
    assert drain.pieces[0].codec is Codec.RECORDS
    assert list(drain.records()) == [
        {"severity": "ERROR", "service": "shop", "body": "hi",
         "resource": {"service.name": "shop"}}
    ]  # fmt: skip
    status, answer, _ = post(server, b"{", media_type="application/json")
    assert (status, json.loads(answer)["code"]) == (400, 3)
    too_long = b" " * (limits.RELAY_JSON_BYTES + 1)
    assert post(server, too_long, media_type="application/json")[0] == 413


@pytest.mark.parametrize("signal", [Signal.METRICS, Signal.SPANS])
def test_metrics_and_traces_travel_as_they_came(kept: tuple[Otlp, Drain], signal: Signal) -> None:
    server, drain = kept
    bodies, path = (
        ([metrics_of(n).SerializeToString() for n in (2, 3)], "/v1/metrics")
        if signal is Signal.METRICS
        else ([traces_of(n).SerializeToString() for n in (2, 3)], "/v1/traces")
    )
    for body in bodies:
        assert post(server, body, path)[:2] == (200, b"")
    assert [(piece.codec, piece.signal, piece.rows) for piece in drain.pieces] == [
        (Codec.OTLP, signal, 2),
        (Codec.OTLP, signal, 3),
    ]
    assert [bytes(piece.data) for piece in drain.pieces] == bodies


def test_metrics_and_traces_in_json_become_rows_and_what_is_left_out_is_said(
    kept: tuple[Otlp, Drain],
) -> None:
    server, drain = kept
    body = json_format.MessageToDict(metrics_of(2))
    scope = body["resourceMetrics"][0]["scopeMetrics"][0]
    scope["metrics"].append({"name": "", "gauge": scope["metrics"][0]["gauge"]})
    status, answer, _ = post(server, json.dumps(body).encode(), "/v1/metrics", "application/json")
    assert status == 200
    assert json.loads(answer)["partialSuccess"]["rejectedDataPoints"] == "1"
    body = json_format.MessageToDict(traces_of(1))
    span = body["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    span.update(traceId="ab" * 16, spanId="cd" * 8)  # hex, where protobuf's JSON has base64
    answer = post(server, json.dumps(body).encode(), "/v1/traces", "application/json")[:2]
    assert answer == (200, b"{}")
    metrics, spans = drain.pieces
    assert (metrics.codec, metrics.signal, metrics.rows) == (Codec.RECORDS, Signal.METRICS, 2)
    assert (spans.codec, spans.signal, spans.rows) == (Codec.RECORDS, Signal.SPANS, 1)
    assert json.loads(bytes(spans.data))["trace_id"] == "ab" * 16
    assert sum(drain.dropped.values()) == 1


def test_a_request_without_records_is_fine(kept: tuple[Otlp, Drain]) -> None:
    server, drain = kept
    assert post(server, b"")[:2] == (200, b"")
    assert not drain.pieces


def test_chunked_bodies_and_kept_connections(kept: tuple[Otlp, Drain]) -> None:
    server, drain = kept
    body = request_of(3).SerializeToString()
    connection = http.client.HTTPConnection(*server.address, timeout=20)
    for _ in range(3):
        pieces = iter([body[:5], body[5:]])
        connection.request(
            "POST", "/v1/logs", pieces, {"Content-Type": PROTOBUF}, encode_chunked=True
        )
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"")
        assert connection.sock is not None
    connection.close()
    assert len(bodies(drain)) == 9


def test_what_is_wrong_is_said(kept: tuple[Otlp, Drain]) -> None:
    server, drain = kept
    good = request_of(1).SerializeToString()
    status, answer, _ = post(server, good, "/x")
    assert status == 404
    assert b"/v1/logs, /v1/metrics, /v1/traces" in answer
    assert post(server, good, media_type="text/plain")[0] == 415
    assert post(server, good, Content_Encoding="br")[0] == 415
    assert post(server, good[:-1])[0] == 400
    assert post(server, b"\x1f\x8b" + good, Content_Encoding="gzip")[0] == 400
    bomb = gzip.compress(bytes(limits.RELAY_BODY_BYTES + 1))
    assert post(server, bomb, Content_Encoding="gzip")[0] == 413
    status, answer, _ = post(server, bytes(2 * limits.RELAY_BODY_BYTES))
    assert status == 413
    assert b"smaller batches" in answer
    huge = request_of(1, limits.FRAME_BYTES + 1).SerializeToString()
    assert post(server, huge)[0] == 413
    assert not drain.pieces


HEAD = b"POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\0\n\n", b"400"),
        (b"GET /v1/logs\r\n\r\n", b"400"),
        (b"POST http://x/v1/logs HTTP/1.1\r\n\r\n", b"400"),
        (HEAD + b"Content-Length: -1\r\n\r\n", b"400"),
        (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx", b"400"),
        (HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
        (HEAD + b"Transfer-Encoding: gzip\r\n\r\n", b"400"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n", b"400"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffff\r\n", b"413"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 99_999, b"413"),
        (HEAD + b"Content-Length: 99\r\n\r\nshort", b"400"),
        (HEAD + b"no colon\r\n\r\n", b"400"),
        (HEAD + b" folded: x\r\n\r\n", b"400"),
        (HEAD + b"a: " + b"x" * 20_000, b"413"),
        (b"a" * 20_000, b"413"),
        (HEAD + b"a: b\r\n" * 9_999, b"413"),
    ],
)
def test_hostile_bytes_are_refused(kept: tuple[Otlp, Drain], data: bytes, status: bytes) -> None:
    server, drain = kept
    assert raw(server, data).split(b" ")[1] == status
    assert not drain.pieces
    assert post(server, request_of(1).SerializeToString())[0] == 200


@pytest.mark.parametrize(("beyond", "status"), [(0, b"200"), (1, b"400")])
def test_a_line_between_chunks_is_no_longer_than_it_may_be(
    kept: tuple[Otlp, Drain], beyond: int, status: bytes
) -> None:
    body = request_of(1).SerializeToString()
    line = b"%x;" % len(body)
    line += b"x" * (limits.RELAY_CHUNK_LINE_BYTES - 2 - len(line) + beyond)
    chunks = line + b"\r\n" + body + b"\r\n0\r\n\r\n"
    answer = raw(kept[0], HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
    assert answer.split(b" ")[1] == status


class Endless:
    """A sender that does not end."""

    def __init__(self) -> None:
        self.taken = 0

    def shutdown(self, how: int) -> None: ...

    def settimeout(self, seconds: float) -> None: ...

    def recv(self, size: int) -> bytes:
        self.taken += size
        return bytes(size)


def test_of_a_refused_body_so_much_is_read_and_for_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    sender = Endless()
    httpserver._discard(sender)  # type: ignore[arg-type]
    assert limits.RELAY_REST_BYTES <= sender.taken < limits.RELAY_REST_BYTES + limits.MIB
    monkeypatch.setattr(limits, "RELAY_REST_S", 0.01)
    monkeypatch.setattr(limits, "RELAY_REST_BYTES", 1000 * limits.GIB)
    began_s = time.monotonic()
    httpserver._discard(Endless())  # type: ignore[arg-type]
    assert time.monotonic() - began_s < 5


def test_a_head_that_never_ends_gets_no_answer(kept: tuple[Otlp, Drain]) -> None:
    server, _ = kept
    assert raw(server, b"") == raw(server, HEAD) == b""


def test_a_sender_that_asks_first_is_told_to_continue(kept: tuple[Otlp, Drain]) -> None:
    server, drain = kept
    body = request_of(1).SerializeToString()
    head = HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body)
    answer = raw(server, head + body)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert len(bodies(drain)) == 1


def test_connections_are_bounded_and_slow_ones_end(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RELAY_REQUEST_S", 0.3)
    server, _ = serve()
    monkeypatch.setattr(limits, "LISTENER_CONNECTIONS", 2)
    slow = [socket.create_connection(server.address, timeout=20) for _ in range(2)]
    for one in slow:
        one.sendall(HEAD[:20])
    with socket.create_connection(server.address, timeout=20) as third:
        assert third.recv(100).startswith(b"HTTP/1.1 503 ")
    for one in slow:
        assert one.recv(1) == b""
        one.close()


@pytest.mark.parametrize("address", ["0.0.0.0:4318", ":4318", "127.0.0.1:99999"])
def test_an_address_that_others_reach_is_refused_by_name(address: str) -> None:
    with pytest.raises(ConfigError, match=r"agent\.inputs\[0\]\.listen"):
        Otlp(OtlpInput(listen=address), "agent.inputs[0]", lambda: None).start()
