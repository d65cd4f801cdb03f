"""/ingest/frames takes frames of every signal, and of each refuses a row that is none."""

from __future__ import annotations

import httpx
import msgspec
import pytest

from tailrace.core import limits
from tailrace.core.frame import Frame, Header, Signal
from tailrace.core.metrics import Metrics
from tailrace.core.payload import compress, describe
from tailrace.wire import frames, samples, spans
from tailrace.wire.samples import Exemplar, Sample
from tailrace.wire.spans import Event, Link, Span

from .doors import MemorySink, run

SPAN = Span(
    1, "GET /cart", "a1" * 16, "b2" * 8, 5, kind="server", attributes={"k": "v"},
    events=[Event(2, "e", {"k": "v"})], links=[Link("a1" * 16, "c3" * 8)],
)  # fmt: skip
ROWS = {
    Signal.LOGS: b'{"body":"x"}\n',
    Signal.SPANS: spans.encode([SPAN]),
    Signal.METRICS: samples.encode([Sample(1, "m", 1.0, exemplars=[Exemplar(1, 0.5)])]),
}


def frame(data: bytes, signal: Signal, seq: int = 1) -> Frame:
    facts = msgspec.structs.asdict(describe(data))
    header = Header(
        tenant="x", source="a", epoch=1, seq=seq, received_ns=5, signal=signal, **facts
    )  # fmt: skip
    return Frame(header, compress(data))


def test_frames_of_every_signal_are_taken_together() -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        sent = [frame(ROWS[signal], signal, n) for n, signal in enumerate(Signal)]
        answer = await client.post("/ingest/frames", content=frames.encode(sent))
        assert (answer.status_code, answer.json()["accepted"]) == (200, len(Signal))
        assert [one.header.signal for one in sink.frames] == list(Signal)
        assert [one.payload for one in sink.frames] == [one.payload for one in sent]

    run(use, tenant="mine")


@pytest.mark.parametrize("signal", [Signal.SPANS, Signal.METRICS])
def test_a_row_of_another_signal_is_refused_with_its_line(signal: Signal) -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        bad = frame(ROWS[signal] + ROWS[Signal.LOGS], signal)
        answer = await client.post("/ingest/frames", content=frames.encode([bad]))
        assert (answer.status_code, answer.json()["reason"]) == (400, "field")
        assert "frame 1: line 2: is no s" in answer.json()["error"]
        assert metrics.get("tailrace_ingest_rejected_total", "field") == 1
        assert not sink.frames

    run(use)


def test_a_span_that_is_too_long_is_too_large() -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        long = msgspec.structs.replace(SPAN, status_message="x" * limits.SPAN_BYTES)
        bad = frame(spans.encode([SPAN, long]), Signal.SPANS)
        answer = await client.post("/ingest/frames", content=frames.encode([bad]))
        assert (answer.status_code, answer.json()["reason"]) == (413, "line_length")
        assert not sink.frames

    run(use)


def test_a_span_that_is_damaged_at_any_byte_is_taken_or_refused() -> None:
    async def use(client: httpx.AsyncClient, sink: MemorySink, metrics: Metrics) -> None:
        whole = ROWS[Signal.SPANS]
        for place in range(len(whole)):
            for data in (whole[: place + 1], whole[:place] + b"\xff" + whole[place + 1 :]):
                body = frames.encode([frame(data, Signal.SPANS)])
                answer = await client.post("/ingest/frames", content=body)
                # Only the last newline may be missing.
                assert answer.status_code == (200 if data in (whole, whole[:-1]) else 400), data

    run(use)
