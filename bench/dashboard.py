"""What people ask all day, through HTTP: a dashboard of twelve panels, needles, counts, a quantile
out of JSON lines, and a rate of a thousand counters.

Besides the rows of bench/data.py a million lines of JSON are loaded, and a million samples in 5,000
series, a thousand of them counters over a day. Every answer is checked to hold something.
"""

from __future__ import annotations

import http.client
import itertools
import json
import random
import struct
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cramjam

from bench import ingest
from bench.data import Data
from bench.doorbodies import field, nested
from bench.figures import Figure, at_most, percentile, plain
from bench.server import Server
from tailrace.query.binder import Binder
from tailrace.query.logql.parser import parse

RUNS = 20
HOUR_S, DAY_S = 3_600, 86_400
SECOND_NS = 1_000_000_000
JSON_LINES = 1_000_000
SERIES, COUNTERS = 5_000, 1_000
_ALL = '{service_name=~".+"}'
_JSON = '{service_name="access"}'
# As a browser does: so many requests of one page are under way at once.
PARALLEL = 6


@dataclass(frozen=True)
class Panel:
    """One request of a dashboard: `path` and the parameters beside the range."""

    name: str
    path: str
    query: str
    step_s: int = 60


def panels() -> list[Panel]:
    """Twelve of the usual kind: two of logs, seven of counts, one of JSON, two of metrics."""
    loki, prometheus = "/loki/api/v1/query_range", "/api/v1/query_range"
    return [
        Panel("newest lines", loki, _ALL),
        Panel("newest errors", loki, '{level="error"}'),
        Panel("lines by level", loki, f"sum by (level)(count_over_time({_ALL}[1m]))"),
        Panel("rate by level", loki, f"sum by (level)(rate({_ALL}[1m]))"),
        Panel("rate by service", loki, f"sum by (service_name)(rate({_ALL}[1m]))"),
        Panel("bytes by service", loki, f"sum by (service_name)(bytes_rate({_ALL}[5m]))"),
        Panel("errors of a service", loki,
              'sum(rate({service_name="checkout",level="error"}[5m]))'),
        Panel("share of errors", loki,
              f'sum(rate({{level="error"}}[5m])) / sum(rate({_ALL}[5m]))'),
        Panel("lines with a word", loki, f'sum(count_over_time({_ALL} |= "slow shard" [1m]))'),
        Panel("slow requests", loki,
              f'quantile_over_time(0.95, {_JSON} | json | unwrap duration [1m]) by (method)'),
        Panel("requests a second", prometheus, "sum by (job)(rate(bench_requests_total[5m]))"),
        Panel("highest gauge", prometheus, "max by (job)(bench_gauge)"),
    ]  # fmt: skip


def measure(server: Server, data: Data) -> list[Figure]:
    """Load, start again, ask."""
    ingest.load(server, data)
    load_json(server, data)
    load_samples(server, data.end_ns)
    server.stop()
    server.start()
    span = (data.start_ns, data.end_ns)
    return [*_dashboard(server, data), *_questions(server, data, span), _translation()]


def _dashboard(server: Server, data: Data) -> list[Figure]:
    """The panels at once, for the first time and again ten seconds of data later."""
    step_ns = 60 * SECOND_NS
    end_ns = data.end_ns // step_ns * step_ns - step_ns
    start_ns = data.start_ns // step_ns * step_ns

    def ask(panel: Panel, move_ns: int) -> float:
        began = time.monotonic()
        body = server.get(
            panel.path,
            query=panel.query,
            start=_seconds(start_ns + move_ns),
            end=_seconds(end_ns + move_ns),
            step=panel.step_s,
            limit=100,
        )
        if not json.loads(body)["data"]["result"]:
            raise RuntimeError(f"{panel.name}: an empty answer")
        return time.monotonic() - began

    def load(move_ns: int) -> tuple[float, list[float]]:
        began = time.monotonic()
        with ThreadPoolExecutor(PARALLEL) as pool:
            times = list(pool.map(lambda panel: ask(panel, move_ns), panels()))
        return time.monotonic() - began, times

    cold_s, each = load(0)
    again = [load(step_ns)[0] for _ in range(3)]
    slowest = max(zip(each, panels(), strict=True), key=lambda pair: pair[0])
    return [
        at_most("dashboard of 12 panels, cold", cold_s, "s", 2.5),
        plain(f"its slowest panel, {slowest[1].name}", slowest[0], "s"),
        at_most("dashboard, refreshed a minute later", min(again), "s", 0.5),
    ]


def _questions(server: Server, data: Data, span: tuple[int, int]) -> list[Figure]:
    loki, prometheus = "/loki/api/v1/query_range", "/api/v1/query_range"
    start, end = span
    hour = {"start": end - HOUR_S * SECOND_NS, "end": end, "limit": 100}
    whole = {"start": start, "end": end}
    needles = iter(data.needles * 2)
    # Of the last hour: they are in the order of the rows.
    late = data.needles[-len(data.needles) // 5 :]
    words = itertools.cycle(f"order {needle[:6]}" for needle in late)
    rate = f"sum by (level)(rate({_ALL}[1m]))"
    unwrap = f"{_JSON} | json | status >= 400 | unwrap duration"
    day = {"start": _seconds(end - DAY_S * SECOND_NS), "end": _seconds(end), "step": 60}
    asked: list[tuple[str, str, Callable[[], dict[str, object]], float]] = [
        ("needle by token", loki,
         lambda: {"query": f'{_ALL} |= "{next(needles)}"', **whole, "limit": 100}, 60),
        ("substring over an hour", loki,
         lambda: {"query": f'{_ALL} |= "{next(words)}"', **hour}, 150),
        ("rate by level over all", loki,
         lambda: {"query": rate, **_moved(whole), "step": 60}, 250),
        ("rate by level over all, its steps remembered", loki,
         lambda: {"query": rate, **_aligned(whole), "step": 60}, 0),
        ("quantile out of a million JSON lines", loki,
         lambda: {"query": f"quantile_over_time(0.95, {unwrap} [1h]) by (method)", **whole,
                  "step": random.randrange(3_000, 4_000)}, 2_500),
        ("rate of 1,000 counters over a day", prometheus,
         lambda: {"query": "sum by (job)(rate(bench_requests_total[5m]))", **_later(day)}, 400),
    ]  # fmt: skip
    figures = []
    for name, path, parameters, goal in asked:
        times = [_ask(server, name, path, parameters()) for _ in range(RUNS)]
        p95 = percentile(times, 0.95)
        figures += [
            plain(f"{name}, p50", percentile(times, 0.5), "ms"),
            at_most(f"{name}, p95", p95, "ms", goal) if goal else plain(f"{name}, p95", p95, "ms"),
        ]
    return figures


def _ask(server: Server, name: str, path: str, parameters: dict[str, object]) -> float:
    began = time.monotonic()
    body = server.get(path, **parameters)
    took_ms = (time.monotonic() - began) * 1e3
    if not json.loads(body)["data"]["result"]:
        raise RuntimeError(f"{name}: an empty answer")
    return took_ms


def _seconds(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e9:.3f}"


_offsets = iter(range(1, 10_000))


def _moved(span: dict[str, int]) -> dict[str, object]:
    """By another odd second each time, so that nothing of it is remembered."""
    by = next(_offsets) * SECOND_NS
    return {name: value + by for name, value in span.items()}


def _later(day: dict[str, object]) -> dict[str, object]:
    by = next(_offsets)
    return {**day, "end": f"{float(str(day['end'])) - by:.3f}",
            "start": f"{float(str(day['start'])) - by:.3f}"}  # fmt: skip


def _aligned(span: dict[str, int]) -> dict[str, object]:
    """To whole minutes, another part of the range each time."""
    minute = 60 * SECOND_NS
    start = (span["start"] // minute + 1) * minute
    return {"start": start, "end": (span["end"] // minute - next(_offsets) % 50) * minute}


def _translation() -> Figure:
    """Text to SQL of a long query, without running it."""
    from tailrace.query.logql.ast import LogQuery
    from tailrace.query.logs.pushdown import pushed

    text = (
        '{service_name="access",level=~"error|warn"} |= "GET" != "health" | json '
        '| status >= 400 and duration > 10ms or method="POST" | path =~ "/api/.*"'
    )
    times = []
    for _ in range(200):
        began = time.perf_counter()
        tree = parse(text)
        assert isinstance(tree, LogQuery)
        pushed(tree, "default", ("k8s.pod.name", "host.name"), Binder())
        times.append((time.perf_counter() - began) * 1e3)
    return at_most("translation, p95", percentile(times, 0.95), "ms", 2)


def load_json(server: Server, data: Data) -> None:
    """JSON_LINES lines of an access log, spread over the range, as NDJSON records."""
    chance = random.Random(7)
    step_ns = max((data.end_ns - data.start_ns) // JSON_LINES, 1)
    methods, before = ["GET", "GET", "GET", "POST", "PUT"], server.metrics()
    headers = {"Content-Type": "application/x-ndjson"}
    for first in range(0, JSON_LINES, 5_000):
        lines = []
        for number in range(first, first + 5_000):
            body = json.dumps({
                "method": chance.choice(methods),
                "path": f"/api/items/{chance.randrange(1000)}",
                "status": chance.choice([200, 200, 200, 201, 404, 500]),
                "duration": round(chance.expovariate(0.02), 3),
                "user": {"plan": chance.choice(["free", "paid"])},
            })  # fmt: skip
            record = {"time": data.start_ns + number * step_ns, "service": "access", "body": body}
            lines.append(json.dumps(record))
        _post(server, "/ingest/records", "\n".join(lines).encode(), headers)
    name = "tailrace_writer_rows_total"
    server.await_metric(name, before.get(name, 0) + JSON_LINES, ingest.SETTLE_S)


def load_samples(server: Server, end_ns: int) -> None:
    """A day of COUNTERS counters a minute apart less some, and an hour of the other series."""
    before = server.metrics().get("tailrace_writer_rows_total", 0)
    count = 0
    for body, rows in _samples(end_ns):
        headers = {
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "snappy",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        }
        _post(server, "/api/v1/write", body, headers)
        count += rows
    server.await_metric("tailrace_writer_rows_total", before + count, ingest.SETTLE_S)


def _samples(end_ns: int) -> Iterator[tuple[bytes, int]]:
    """Remote-write bodies: of each series its samples, some series a body."""
    end_ms = end_ns // 1_000_000
    every_ms, points = 110_000, 785  # of a counter: a day, so that a million is not passed by much
    for first in range(0, SERIES, 10):
        parts, rows = [], 0
        for number in range(first, first + 10):
            counter = number < COUNTERS
            name = "bench_requests_total" if counter else "bench_gauge"
            labels = {"__name__": name, "job": f"job-{number % 20}", "instance": f"i-{number}"}
            times = range(points) if counter else range(54)
            parts.append(_series(labels, [
                (end_ms - (len(times) - n) * every_ms, float(n * 10 + number % 7)) for n in times
            ]))  # fmt: skip
            rows += len(times)
        yield bytes(cramjam.snappy.compress_raw(b"".join(parts))), rows


def _series(labels: dict[str, str], points: list[tuple[int, float]]) -> bytes:
    pairs = b"".join(
        nested(1, nested(1, name.encode()) + nested(2, value.encode()))
        for name, value in sorted(labels.items())
    )
    found = b"".join(
        nested(2, b"\x09" + struct.pack("<d", value) + field(2, time_ms))
        for time_ms, value in points
    )
    return nested(1, pairs + found)


def _post(server: Server, path: str, body: bytes, headers: dict[str, str]) -> None:
    """Raises RuntimeError for anything but success; waits where it is told to."""
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        said: Any = answer.read()
        connection.close()
        if answer.status < 300:
            return
        if answer.status not in (429, 503):
            raise RuntimeError(f"POST {path}: {answer.status} {said[:300]!r}")
        time.sleep(float(answer.getheader("Retry-After", "1")))
