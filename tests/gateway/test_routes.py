"""Each route: what it stores, and what it answers to each kind of wrong."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import cramjam
import httpx
import msgspec
import pytest
from doors import MemorySink, run
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tailrace.core import limits
from tailrace.core.errors import Busy, Poison, StoreError
from tailrace.core.frame import Codec, Frame, Header, Signal
from tailrace.core.metrics import Metrics
from tailrace.core.payload import compress, describe, expand
from tailrace.wire import frames
from tailrace.wire.otlp import walk

PUSH = b'{"streams":[{"stream":{"app":"a"},"values":[["1790000000000000000","x"]]}]}'
OTLP = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}]}'
JSON = {"Content-Type": "application/json"}
POSTS: list[tuple[str, bytes, dict[str, str]]] = [
    ("/ingest/lines", b"x\n", {}),
    ("/ingest/records", b'{"body":"x"}\n', {}),
    ("/loki/api/v1/push", PUSH, JSON),
    ("/v1/logs", OTLP, JSON),
]


def test_lines_are_stored_and_counted() -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        answer = await client.post(
            "/ingest/lines?service=shop&host=h1&env=prod", content=b"one\r\ntw\xffo\n"
        )
        assert answer.status_code == 200
        assert answer.json() == {"accepted": 2, "repaired": {"utf8": 1}}
        header = sink.frames[0].header
        assert sink.data.decode() == "one\ntw\ufffdo\n"
        assert (header.codec, header.rows, header.tenant) == (Codec.LINES, 2, "default")
        assert header.resource == {
            "service.name": "shop", "host.name": "h1", "deployment.environment": "prod",
        }  # fmt: skip
        assert metrics.get("tailrace_ingest_rows_total") == 2
        assert metrics.get("tailrace_ingest_repaired_total", "utf8") == 1

    run(use)


def test_zstd_of_untouched_rows_becomes_the_payload() -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        encoded = {"Content-Encoding": "zstd"}
        body = compress(b'{"body":"x"}\n' * 50)
        await client.post("/ingest/records", content=body, headers=encoded)
        assert sink.frames[0].payload == body
        repaired = compress(b"a\0b\n")
        await client.post("/ingest/lines", content=repaired, headers=encoded)
        assert sink.frames[1].payload != repaired
        assert expand(sink.frames[1].payload, 100) == "a\ufffdb\n".encode()
        await client.post(
            "/ingest/lines", content=gzip.compress(b"g\n"), headers={"Content-Encoding": "gzip"}
        )
        assert expand(sink.frames[2].payload, 100) == b"g\n"

    run(use)


def test_big_bodies_become_several_frames_in_order() -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        body = b"".join(b"line %07d %s\n" % (n, b"x" * 80) for n in range(60_000))
        answer = await client.post("/ingest/lines", content=body)
        assert answer.json()["accepted"] == 60_000
        assert sink.data == body
        assert [f.header.seq for f in sink.frames] == list(range(len(sink.frames)))
        assert len(sink.frames) > 1
        assert all(f.header.bytes <= limits.FRAME_BYTES for f in sink.frames)

    run(use)


def test_an_idempotency_key_gives_the_same_identity() -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        for key in ("a", "a", "b"):
            await client.post("/ingest/lines", content=b"x", headers={"Idempotency-Key": key})
        first, second, third = (frame.header.key for frame in sink.frames)
        assert first == second != third
        assert (await client.post("/ingest/lines", content=b"x")).status_code == 200
        assert sink.frames[3].header.source.startswith("gateway-")

    run(use)


def test_frames_take_the_tenant_of_the_credential() -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        facts = msgspec.structs.asdict(describe(b"x\n"))
        header = Header(
            tenant="other", source="agent", epoch=7, seq=8, received_ns=5, codec=Codec.LINES,
            guarded=3, diverted=True, **facts,
        )  # fmt: skip
        body = frames.encode([Frame(header, compress(b"x\n"))])
        answer = await client.post("/ingest/frames", content=body)
        assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
        assert sink.frames[0].header.key == ("mine", "agent", 7, 8)
        assert sink.frames[0].header.received_ns == 5
        # What only a server's own guard and limits say.
        assert (sink.frames[0].header.guarded, sink.frames[0].header.diverted) == (0, False)
        assert (await client.post("/ingest/frames", content=b"x")).status_code == 400

    run(use, tenant="mine")


@pytest.mark.parametrize(
    ("named", "kept"), [("other", "other"), ("../x", "mine"), ("", "mine"), ("a\nb", "mine")]
)
def test_a_gateway_that_relays_names_the_tenant(named: str, kept: str) -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        facts = msgspec.structs.asdict(describe(b"x\n"))
        header = Header(
            tenant=named, source="agent", epoch=7, seq=8, received_ns=5, codec=Codec.LINES,
            guarded=3, diverted=True, **facts,
        )  # fmt: skip
        body = frames.encode([Frame(header, compress(b"x\n"))])
        answer = await client.post("/ingest/frames", content=body)
        if answer.status_code == 200:
            assert sink.frames[0].header.tenant == kept
            assert (sink.frames[0].header.guarded, sink.frames[0].header.diverted) == (3, True)
        else:
            assert (answer.status_code, kept) == (400, "mine")

    run(use, tenant="mine", relays=True)


def relayed_frame(data: bytes, **changes: Any) -> bytes:
    """A body of one frame that holds an OTLP request."""
    facts = msgspec.structs.asdict(describe(data, walk.count(data)))
    header = Header(
        **{"tenant": "x", "source": "agent-1", "epoch": 7, "seq": 8, "received_ns": 5,
           "codec": Codec.OTLP, "resource": {"host.name": "h", "service.name": "relay"},
           **facts, **changes},
    )  # fmt: skip
    return frames.encode([Frame(header, compress(data))])


def otlp_request(*bodies: str, service: str = "") -> bytes:
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    if service:
        group.resource.attributes.add(key="service.name").value.string_value = service
    scope = group.scope_logs.add()
    for body in bodies:
        scope.log_records.add().body.string_value = body
    return request.SerializeToString()


def test_an_otlp_frame_becomes_records_under_its_own_number() -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        body = relayed_frame(otlp_request("one", "t\0wo", service="shop"))
        answer = await client.post("/ingest/frames", content=body)
        assert (answer.status_code, answer.json()["accepted"]) == (200, 2)
        header = sink.frames[0].header
        assert header.key == ("mine", "agent-1", 7, 8)
        assert (header.codec, header.rows, header.received_ns) == (Codec.RECORDS, 2, 5)
        assert header.resource == {"host.name": "h", "service.name": "relay"}
        record = json.loads(sink.data.splitlines()[0])
        assert record["resource"] == {"service.name": "shop"}
        assert (record["service"], record["body"]) == ("shop", "one")
        assert metrics.get("tailrace_ingest_repaired_total", "nul") == 1

    run(use, tenant="mine")


def otlp_metrics(*names: str) -> bytes:
    request = ExportMetricsServiceRequest()
    scope = request.resource_metrics.add().scope_metrics.add()
    for name in names:
        point = scope.metrics.add(name=name).gauge.data_points.add()
        point.time_unix_nano, point.as_double = 5, 1.5
    return request.SerializeToString()


def test_an_otlp_frame_of_metrics_or_spans_becomes_rows_and_what_is_left_out_is_counted() -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        body = relayed_frame(otlp_metrics("depth", "", "width"), signal=Signal.METRICS)
        assert (await client.post("/ingest/frames", content=body)).json()["accepted"] == 2
        header = sink.frames[0].header
        assert (header.key, header.signal) == (("mine", "agent-1", 7, 8), Signal.METRICS)
        assert (header.codec, header.rows) == (Codec.RECORDS, 2)
        assert [json.loads(row)["name"] for row in sink.data.splitlines()] == ["depth", "width"]
        assert metrics.get("tailrace_ingest_refused_total", "field") == 1
        request = ExportTraceServiceRequest()
        request.resource_spans.add().scope_spans.add().spans.add(
            name="pay", trace_id=b"t" * 16, span_id=b"s" * 8,
            start_time_unix_nano=1, end_time_unix_nano=2,
        )  # fmt: skip
        body = relayed_frame(request.SerializeToString(), signal=Signal.SPANS, seq=9)
        assert (await client.post("/ingest/frames", content=body)).status_code == 200
        assert sink.frames[1].header.signal is Signal.SPANS
        body = relayed_frame(request.SerializeToString(), signal=Signal.METRICS, seq=10)
        assert (await client.post("/ingest/frames", content=body)).status_code == 400

    run(use, tenant="mine")


def test_the_resource_of_a_relayed_frame_is_not_repeated_beyond_its_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(frames.REPEATED_BYTES, Signal.METRICS, 60)  # of 29 bytes each

    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        request = ExportMetricsServiceRequest()
        scope = request.resource_metrics.add().scope_metrics.add()
        points = scope.metrics.add(name="depth").gauge.data_points
        for number in range(5):
            points.add(time_unix_nano=number + 1, as_int=number)
        body = relayed_frame(request.SerializeToString(), signal=Signal.METRICS)
        assert (await client.post("/ingest/frames", content=body)).json()["accepted"] == 5
        rows = [frame.header.rows for frame in sink.frames]
        assert (sum(rows), max(rows)) == (5, 2)

    run(use)


def test_an_otlp_frame_of_many_records_has_the_same_pieces_each_time() -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        body = relayed_frame(otlp_request(*("\x01" * 10_000 for _ in range(100))))
        for _ in range(2):
            assert (await client.post("/ingest/frames", content=body)).status_code == 200
        keys = [frame.header.key for frame in sink.frames]
        first, second = keys[: len(keys) // 2], keys[len(keys) // 2 :]
        assert first == second
        assert [source for _, source, _, _ in first] == ["agent-1", "agent-1#1"]
        assert len(sink.data.splitlines()) == 200

    run(use)


def test_an_otlp_frame_that_is_not_what_its_header_says_is_refused() -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        request = otlp_request("x")
        bad = b"\x0a\x06\x12\x04\x12\x02\x0a\x09"  # a record that ends inside a field
        for body in (
            relayed_frame(request, rows=2),
            relayed_frame(request, checksum=1),
            relayed_frame(request, bytes=len(request) + 1),
            relayed_frame(b"", rows=1),
            relayed_frame(bad),
        ):
            assert (await client.post("/ingest/frames", content=body)).status_code == 400
        assert not sink.frames

    run(use)


def test_loki_answers_204() -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        answer = await client.post("/loki/api/v1/push", content=PUSH, headers=JSON)
        assert (answer.status_code, answer.content) == (204, b"")
        assert json.loads(sink.data)["body"] == "x"
        bad = bytes(cramjam.snappy.compress_raw(b"\xff\xff"))
        answer = await client.post("/loki/api/v1/push", content=bad)
        assert answer.status_code == 400
        assert answer.headers["content-type"].startswith("text/plain")
        assert "not a Loki push" in answer.text

    run(use)


def test_otlp_answers_in_the_encoding_of_the_request() -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        protobuf = {"Content-Type": "application/x-protobuf"}
        request = ExportLogsServiceRequest()
        record = request.resource_logs.add().scope_logs.add().log_records.add()
        record.body.string_value = "x"
        answer = await client.post(
            "/v1/logs", content=request.SerializeToString(), headers=protobuf
        )
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/x-protobuf"
        ExportLogsServiceResponse.FromString(answer.content)
        answer = await client.post("/v1/logs", content=OTLP, headers=JSON)
        assert (answer.status_code, answer.json()) == (200, {})
        assert len(sink.frames) == 2
        answer = await client.post("/v1/logs", content=b"", headers=protobuf)
        assert answer.status_code == 200
        answer = await client.post("/v1/logs", content=b"\xff", headers=protobuf)
        assert answer.status_code == 400
        assert answer.content[:3] == b"\x08\x03\x12"
        assert b"not an OTLP logs request" in answer.content
        answer = await client.post("/v1/logs", content=b"[", headers=JSON)
        assert (answer.status_code, answer.json()["code"]) == (400, 3)
        answer = await client.post("/v1/logs", content=b"x", headers={"Content-Type": "text/x"})
        assert answer.status_code == 415

    run(use)


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "reason", "text"),
    [
        ("/ingest/lines?servce=x", b"x", {}, 400, "parameter", "unknown query parameter 'servce'"),
        ("/ingest/lines", b"", {}, 400, "empty", "no line"),
        ("/ingest/lines", b"x", {"Content-Encoding": "br"}, 415, "encoding", "gzip or zstd"),
        ("/ingest/lines", b"x", {"Content-Encoding": "gzip"}, 400, "gzip", "gzip"),
        ("/ingest/records", b'{"time":"x"}', {}, 400, "field", "line 1: `time` must be"),
        ("/ingest/records?time_key=%22", b"{}", {}, 400, "parameter", "must hold no quote"),
        ("/ingest/records?time_unit=eon", b"{}", {}, 400, "parameter", "time_unit must be one of"),
        ("/ingest/records", b"{", {}, 400, "json", "line 1: is not valid JSON"),
        ("/ingest/lines", b"x" * 2001, {}, 413, "body", "larger than 2000 bytes"),
        ("/ingest/lines", b"x" * 1500, {}, 413, "expanded", "beyond 1000 bytes"),
        ("/ingest/lines", b"x", {"Content-Length": "2001"}, 413, "body", "larger than 2000"),
        ("/ingest/lines", b"x", {"Content-Length": "-1"}, 400, "length", "Content-Length"),
        ("/ingest/lines", b"x", {"Idempotency-Key": "k" * 300}, 400, "header", "Idempotency"),
    ],
)
def test_wrong_input_is_explained_and_counted(
    path: str, body: bytes, headers: dict[str, str], status: int, reason: str, text: str
) -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        answer = await client.post(path, content=body, headers=headers)
        assert (answer.status_code, answer.json()["reason"]) == (status, reason)
        assert text in answer.json()["error"]
        assert metrics.get("tailrace_ingest_rejected_total", reason) == 1
        assert not sink.frames

    run(use, body_compressed_bytes=2000, body_bytes=1000)


def test_a_body_without_a_length_is_stopped_at_the_limit() -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 1
            yield b"x" * 1000

    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        answer = await client.post("/ingest/lines", content=endless())
        assert answer.status_code == 413
        assert sent < 10

    run(use, body_compressed_bytes=2000)


def test_a_body_that_does_not_arrive_is_given_up() -> None:
    async def stuck() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        answer = await client.post("/ingest/lines", content=stuck())
        assert (answer.status_code, answer.json()["reason"]) == (400, "slow")

    run(use, read_deadline_s=0.01)


@pytest.mark.parametrize(("path", "body", "headers"), POSTS)
@pytest.mark.parametrize(
    ("failure", "status", "retry"),
    [
        (Busy("queue is full", 2.2), 503, "3"),
        (Busy("slow down", 0.01, overload=False), 429, "1"),
        (OSError("disk"), 503, "5"),
        (StoreError("engine"), 503, "5"),
        (ValueError("a bug"), 503, "5"),
        (Poison("never"), 400, None),
    ],
)
def test_failures_of_the_sink_have_a_status(
    path: str, body: bytes, headers: dict[str, str],
    failure: Exception, status: int, retry: str | None,
) -> None:  # fmt: skip
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        sink.failure = failure
        answer = await client.post(path, content=body, headers=headers)
        assert answer.status_code == status
        assert answer.headers.get("Retry-After") == retry
        assert metrics.get("tailrace_ingest_rows_total") == 0
        sink.failure = None
        answer = await client.post(path, content=body, headers=headers)
        assert answer.status_code in (200, 204)

    run(use)


def test_other_methods_and_readiness() -> None:
    is_ready = False

    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        nonlocal is_ready
        for path, _, _ in POSTS:
            assert (await client.get(path)).status_code == 405
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/ready")).status_code == 503
        is_ready = True
        assert (await client.get("/ready")).status_code == 200

    run(use, ready=lambda: is_ready)


def test_a_token_is_required_when_there_is_one() -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        for headers in ({}, {"Authorization": "Bearer no"}, {"Authorization": "Basic %%"},
                        {"Authorization": "Digest s3cret"}):  # fmt: skip
            answer = await client.post("/ingest/lines", content=b"x", headers=headers)
            assert answer.status_code == 401
            assert "Bearer" in answer.headers["WWW-Authenticate"]
        assert not sink.frames
        assert (await client.get("/ready")).status_code == 200
        bearer = {"Authorization": "bearer s3cret"}
        answer = await client.post("/ingest/lines", content=b"x", headers=bearer)
        assert answer.status_code == 200
        answer = await client.post("/ingest/lines", content=b"x", auth=("anyone", "s3cret"))
        assert answer.status_code == 200

    run(use, token="s3cret")
