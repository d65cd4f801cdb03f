"""Calls over gRPC: what is answered to what."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import psutil
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from served import Served

from tailrace.core import limits
from tailrace.core.errors import Busy, Poison
from tailrace.core.frame import Signal
from tailrace.gateway.grpc import METHODS

LOGS = next(method for method, signal in METHODS.items() if signal == "logs")


@pytest.fixture
def served() -> Iterator[Served]:
    with Served() as found:
        yield found


def call(
    served: Served, message: bytes, method: str = LOGS, token: str = "", gzip: bool = False
) -> ExportLogsServiceResponse:
    """Raises grpc.RpcError."""
    options = [("grpc.max_send_message_length", -1)]
    compression = grpc.Compression.Gzip if gzip else grpc.Compression.NoCompression
    metadata = (("authorization", token),) if token else ()
    with grpc.insecure_channel(served.address, options=options) as channel:
        export: Any = channel.unary_unary(method)
        answer = export(message, metadata=metadata, compression=compression, timeout=20)
    return ExportLogsServiceResponse.FromString(answer)


def refusal(served: Served, message: bytes, **options: Any) -> tuple[grpc.StatusCode, str, Status]:
    with pytest.raises(grpc.RpcError) as caught:
        call(served, message, **options)
    error: Any = caught.value
    details = dict(error.trailing_metadata()).get("grpc-status-details-bin", b"")
    return error.code(), error.details(), Status.FromString(details)


def request(*bodies: str, attributes: int = 0) -> bytes:
    """Records of these bodies; the last has so many attributes."""
    found = ExportLogsServiceRequest()
    scope = found.resource_logs.add().scope_logs.add()
    for body in bodies:
        scope.log_records.add().body.string_value = body
    for number in range(attributes):
        scope.log_records[-1].attributes.add(key=f"k{number}").value.int_value = number
    return found.SerializeToString()


@pytest.mark.parametrize("gzip", [False, True])
def test_what_is_answered_is_durable_and_of_the_credentials_tenant(
    served: Served, gzip: bool
) -> None:
    answer = call(served, request("one", "two"), token="Bearer acme", gzip=gzip)
    assert not answer.HasField("partial_success")
    assert [row["body"] for row in served.rows(Signal.LOGS)] == ["one", "two"]
    assert served.sink.frames[0].header.tenant == "acme"
    assert served.metrics.get("tailrace_ingest_requests_total", "otlp_grpc") == 1
    assert served.metrics.get("tailrace_ingest_rows_total") == 2


def test_a_large_message_is_decoded_in_a_thread(served: Served) -> None:
    call(served, request(*["x" * 1000] * 1000))
    assert len(served.rows(Signal.LOGS)) == 1000


def test_records_that_cannot_be_kept_are_counted_in_the_answer(served: Served) -> None:
    partial = call(served, request("fine", "wide", attributes=600)).partial_success
    assert partial.rejected_log_records == 1
    assert "600 attributes" in partial.error_message
    assert served.metrics.get("tailrace_ingest_refused_total", "attributes") == 1
    assert [row["body"] for row in served.rows(Signal.LOGS)] == ["fine"]


def test_who_may_not_send_is_refused_before_the_message() -> None:
    with Served(required=True) as served:
        for token in ("", "Bearer nobody", "Basic x"):
            code, details, status = refusal(served, request("x"), token=token)
            assert (code, status.code) == (grpc.StatusCode.UNAUTHENTICATED, 16)
            assert "nobody" not in details
        code, _, status = refusal(served, request("x"), token="Bearer reader")
        assert (code, status.code) == (grpc.StatusCode.PERMISSION_DENIED, 7)
        call(served, request("x"), token="Bearer acme")
        assert [frame.header.tenant for frame in served.sink.frames] == ["acme"]
        assert served.metrics.get("tailrace_ingest_rejected_total", "token") == 3


def test_malformed_messages_are_refused_for_good(served: Served) -> None:
    for message in (b"\xff", request("x")[:-1]):
        code, details, status = refusal(served, message)
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert "not an OTLP logs request" in details
        assert (status.code, status.message, list(status.details)) == (3, details, [])
    assert not served.sink.frames


def test_an_empty_message_is_a_success(served: Served) -> None:
    assert call(served, b"") == ExportLogsServiceResponse()


@pytest.mark.parametrize(
    ("failure", "expected"),
    [(Busy("full", 3.2), grpc.StatusCode.UNAVAILABLE),
     (Busy("slow down", 3.2, overload=False), grpc.StatusCode.RESOURCE_EXHAUSTED),
     (OSError("disk"), grpc.StatusCode.UNAVAILABLE),
     (ValueError("a bug"), grpc.StatusCode.UNAVAILABLE)],
)  # fmt: skip
def test_what_may_be_sent_again_says_when(
    served: Served, failure: Exception, expected: grpc.StatusCode
) -> None:
    served.sink.failure = failure
    code, _, status = refusal(served, request("x"))
    assert code is expected
    (detail,) = status.details
    retry = RetryInfo()
    assert detail.Unpack(retry)
    assert retry.retry_delay.seconds == (4 if isinstance(failure, Busy) else 5)


def test_what_can_never_be_stored_is_not_sent_again(served: Served) -> None:
    served.sink.failure = Poison("no")
    code, _, status = refusal(served, request("x"))
    assert (code, len(status.details)) == (grpc.StatusCode.INVALID_ARGUMENT, 0)


@pytest.mark.parametrize("gzip", [False, True])
def test_a_message_that_is_too_large_is_refused_for_good(served: Served, gzip: bool) -> None:
    code, _, status = refusal(served, bytes(limits.GRPC_MESSAGE_BYTES + 1), gzip=gzip)
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not status.details


def test_an_unknown_method_is_unimplemented(served: Served) -> None:
    code, _, _ = refusal(served, b"", method="/opentelemetry.proto.x/Export")
    assert code is grpc.StatusCode.UNIMPLEMENTED


def test_a_bomb_does_not_take_memory(served: Served) -> None:
    send = f"""
import grpc
channel = grpc.insecure_channel({served.address!r}, [("grpc.max_send_message_length", -1)])
try:
    channel.unary_unary({LOGS!r})(bytes(1 << 29), compression=grpc.Compression.Gzip, timeout=60)
except grpc.RpcError as error:
    print(error.code().name)
"""
    before = psutil.Process().memory_info().rss
    done = subprocess.run([sys.executable, "-c", send], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "RESOURCE_EXHAUSTED"
    assert psutil.Process().memory_info().rss - before < 4 * limits.GRPC_MESSAGE_BYTES
    assert not served.sink.frames


def test_a_message_that_never_comes_ends_the_call() -> None:
    with Served(read_deadline_s=0.2) as served, grpc.insecure_channel(served.address) as channel:
        export: Any = channel.stream_unary(LOGS)
        ended = threading.Event()

        def never() -> Iterator[bytes]:
            ended.wait(20)
            yield from ()

        with pytest.raises(grpc.RpcError) as caught:
            export(never(), timeout=10)
        ended.set()
        error: Any = caught.value
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "did not arrive" in error.details()
        assert served.metrics.get("tailrace_ingest_rejected_total", "slow") == 1


def test_many_calls_at_the_same_time_are_all_answered(served: Served) -> None:
    with grpc.insecure_channel(served.address) as channel:
        export: Any = channel.unary_unary(LOGS)
        calls = [export.future(request(str(number)), timeout=20) for number in range(80)]
        assert all(one.result() == b"" for one in calls)
    found = sorted(int(row["body"]) for row in served.rows(Signal.LOGS))
    assert found == list(range(80))
