"""Traces through the real command: spans and exemplars in, found once after a crash, archived."""

from __future__ import annotations

import subprocess
import sys
import time
from urllib.parse import quote

import pyarrow.parquet as pq
from running import Server, Start
from test_metrics import archived, frame

from tailrace.core.frame import Signal
from tailrace.store.manifest import Manifest
from tailrace.wire import frames, samples, spans
from tailrace.wire.samples import Exemplar, Sample
from tailrace.wire.spans import Event, Span

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPANS = 40


def sent(now_ns: int) -> bytes:
    """A trace of two services in two frames, and a sample with the trace behind it."""
    root = Span(now_ns, "GET /cart", TRACE, "f0", 9_000_000, kind="server", service="web")
    inner = [
        Span(now_ns + n, f"step {n}", TRACE, f"a{n:02x}", 1_000, "f0", status="error",
             status_message="declined", events=[Event(now_ns, "retry")])
        for n in range(1, SPANS)
    ]  # fmt: skip
    point = Sample(now_ns, "latency.bucket", 1, exemplars=[Exemplar(now_ns, 0.009, TRACE, "f0")])
    return frames.encode([
        frame(spans.encode([root]), 1, "web", Signal.SPANS, host_name="h1"),
        frame(spans.encode(inner), 1, "cart", Signal.SPANS, service_name="cart"),
        frame(samples.encode([point]), 1, "web-metrics", Signal.METRICS),
    ])  # fmt: skip


def found(server: Server) -> int:
    answer = server.get(f"/api/traces/{TRACE}")
    return len(answer.json()["data"][0]["spans"]) if answer.status == 200 else 0


def exemplars(server: Server) -> list[str]:
    answer = server.get(f"/api/v1/query_exemplars?query={quote('latency_bucket')}").json()
    return [e["labels"]["trace_id"] for one in answer["data"] for e in one["exemplars"]]


def refused(server: Server) -> None:
    """A line that is no span is refused whole, and says which one it is."""
    good = spans.encode([Span(1, "a", "a1", "b2")])
    bad = frame(good + b'{"time":1,"name":"x"}\n', 9, "bad", Signal.SPANS)
    answer = server.post("/ingest/frames", frames.encode([bad]))
    assert (answer.status, answer.json()["reason"]) == (400, "field")
    assert "frame 1: line 2" in answer.json()["error"]


def test_a_trace_is_found_once_after_a_crash_and_archived(start: Start) -> None:
    server = start()
    refused(server)
    assert server.get(f"/api/traces/{TRACE}").status == 404
    body = sent(time.time_ns())
    assert server.post("/ingest/frames", body).json()["accepted"] == SPANS + 1
    server.kill()
    server.start()
    server.post("/ingest/frames", body)  # as an agent does that saw no answer
    server.until(lambda: found(server) == SPANS and bool(exemplars(server)), "stored")
    assert exemplars(server) == [TRACE]
    url = f"http://127.0.0.1:{server.port}"
    command = [sys.executable, "-m", "tailrace.cli", "trace", TRACE[1:], "--url", url]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert shown.returncode == 0, shown.stderr
    assert "web: GET /cart" in shown.stdout and shown.stdout.count("cart: step") == SPANS - 1
    server.until(lambda: archived(server) == SPANS + 1, "archived")
    assert server.stop() == 0, server.log()
    assert archived(server) == SPANS + 1
    folder = server.data / "archive"
    paths = [p for p in Manifest(folder / "manifest").paths() if p.startswith("spans/")]
    rows = [row for path in paths for row in pq.ParquetFile(folder / path).read().to_pylist()]
    expected = ["f0", *(f"a{n:02x}" for n in range(1, SPANS))]
    assert sorted(row["SpanId"] for row in rows) == sorted(expected)
