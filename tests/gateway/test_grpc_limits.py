"""How much of gRPC is read at the same time, and how much of one call."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from served import Served
from test_grpc import LOGS, request

from tailrace.core import limits


@pytest.fixture
def served() -> Iterator[Served]:
    with Served() as found:
        yield found


class Held:
    """Calls over one connection that are being read and send no message until `let_go`."""

    def __init__(self, served: Served, channel: grpc.Channel, count: int) -> None:
        self._go = threading.Event()
        self._begun = threading.Semaphore(0)
        export: Any = channel.stream_unary(LOGS)
        self.calls = [export.future(self._message(), timeout=30) for _ in range(count)]
        for _ in range(count):
            assert self._begun.acquire(timeout=10)
        while served.metrics.get("tailrace_ingest_requests_total", "otlp_grpc") < count:
            time.sleep(0.01)

    def let_go(self) -> None:
        self._go.set()
        for call in self.calls:
            assert call.result() == b""

    def _message(self) -> Iterator[bytes]:
        self._begun.release()
        self._go.wait(30)
        yield request("held")


def test_a_call_beyond_the_streams_of_a_connection_waits_for_one_to_end(served: Served) -> None:
    with grpc.insecure_channel(served.address) as channel:
        held = Held(served, channel, limits.GRPC_STREAMS)
        next_one = channel.unary_unary(LOGS).future(request("next"), timeout=20)
        with pytest.raises(grpc.FutureTimeoutError):
            next_one.result(timeout=0.3)
        # It has not begun: those that have may wait for other reasons.
        begun = served.metrics.get("tailrace_ingest_requests_total", "otlp_grpc")
        assert begun == limits.GRPC_STREAMS
        held.let_go()
        assert next_one.result() == b""


def test_messages_beyond_what_is_read_at_the_same_time_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "GRPC_READING_BYTES", 2 * limits.GRPC_MESSAGE_BYTES)
    with Served() as served, grpc.insecure_channel(served.address) as channel:
        held = Held(served, channel, 2)
        with grpc.insecure_channel(served.address) as other:
            next_one = other.unary_unary(LOGS).future(request("next"), timeout=20)
            with pytest.raises(grpc.FutureTimeoutError):
                next_one.result(timeout=0.3)
            held.let_go()
            assert next_one.result() == b""


def test_metadata_beyond_their_bound_are_refused(served: Served) -> None:
    with grpc.insecure_channel(served.address) as channel:
        export: Any = channel.unary_unary(LOGS)
        some = (("x-some", "a" * (limits.GRPC_METADATA_BYTES // 2)),)
        assert export(request("fits"), metadata=some, timeout=20) == b""
        more = (("x-more", "a" * 4 * limits.GRPC_METADATA_BYTES),)
        with pytest.raises(grpc.RpcError) as caught:
            export(request("too much"), metadata=more, timeout=20)
        error: Any = caught.value
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert len(served.sink.frames) == 1
