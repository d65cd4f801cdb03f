"""What is kept: bytes on disk, and lookups over ten million rows in the hot store and the archive.

Over HTTP, after a restart, as bench/queries.py asks: each run looks for another value, so that the
engine remembers nothing of it. Answers are checked.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from bench import ingest, process
from bench.data import Data
from bench.figures import Figure, at_least, at_most, percentile, plain
from bench.server import Server

RUNS = 20
SCANS = 3
LINES = 100
SECOND_NS = 1_000_000_000
PATH = "/loki/api/v1/query_range"
_ALL = '{service_name=~".+"}'
# Fewer characters than the index of grams is made of, in no line: every line is read.
_ABSENT = ("~0~", "~1~", "~2~", "~3~")


def measure(server: Server, data: Data) -> list[Figure]:
    """Load, start again, ask."""
    ingest.load(server, data)
    ingest.wait_for_old_parts()
    store = process.tree_bytes(server.data / "store")
    archive = process.tree_bytes(server.data / "archive")
    server.stop()
    server.start()
    return [
        plain("rows", data.rows, "rows"),
        at_most("hot store on disk", store / data.bytes, "bytes per byte in", 0.20),
        at_most("archive on disk", archive / data.bytes, "bytes per byte in", 0.16),
        *_lookups(server, data),
        *_counts(server, data),
        *_scan(server, data),
        *_archived(server, data),
    ]


def _lookups(server: Server, data: Data) -> list[Figure]:
    """One row, or those of one trace, among all."""
    asked: list[tuple[str, Iterator[str]]] = [
        ("attribute", (f'{_ALL} | request_id="{one}"' for one in itertools.cycle(data.requests))),
        ("trace id", (f'{{trace_id="{one}"}}' for one in itertools.cycle(data.traces))),
        ("token", (f'{_ALL} |= "{one}"' for one in itertools.cycle(data.needles))),
    ]
    return [
        figure
        for name, texts in asked
        for figure in _timed(f"lookup by {name}", RUNS, partial(_next, server, data, texts), 60)
    ]


def _next(server: Server, data: Data, texts: Iterator[str]) -> None:
    _lines(server, data, next(texts))


def _counts(server: Server, data: Data) -> list[Figure]:
    count = f"sum by (service_name, level)(count_over_time({_ALL}[1m]))"
    offsets = iter(range(1, 10_000))

    def counted() -> None:
        by_ns = next(offsets) * SECOND_NS
        span = {"start": data.start_ns - by_ns, "end": data.end_ns - by_ns, "step": 60}
        if len(_result(server, count, **span)) < 10:
            raise RuntimeError("too few services")

    services = itertools.cycle(["checkout", "cart", "payment"])
    return [
        *_timed("count by service and level a minute", RUNS, counted, 150),
        *_timed(
            "last 100 of a busy service",
            RUNS,
            lambda: _lines(server, data, f'{{service_name="{next(services)}"}}', LINES),
            40,
        ),
    ]


def _scan(server: Server, data: Data) -> list[Figure]:
    """Every line is read for a text that no index knows."""
    span_s = (data.end_ns - data.start_ns) // SECOND_NS + 2
    answer = server.get(
        "/loki/api/v1/query", query=f"sum(bytes_over_time({_ALL}[{span_s}s]))", time=data.end_ns
    )
    raw = float(json.loads(answer)["data"]["result"][0]["value"][1])
    times = []
    for text in _ABSENT[: SCANS + 1]:
        began = time.monotonic()
        query = f'sum(count_over_time({_ALL} |= "{text}" [{span_s}s]))'
        server.get("/loki/api/v1/query", query=query, time=data.end_ns)
        times.append(time.monotonic() - began)
    return [
        plain("text of all lines", raw / 1e9, "GB"),
        at_least("scan for a substring", raw / 1e9 / percentile(times[1:], 0.5), "GB/s", 1),
    ]


def _archived(server: Server, data: Data) -> list[Figure]:
    """The needle again, from the archive's files alone."""
    needles = iter(data.needles * 2)
    hot = [_took(lambda: _lines(server, data, f'{_ALL} |= "{next(needles)}"')) for _ in range(9)]
    cold = [
        _took(lambda: _lines(server, data, f'{_ALL} |= "{next(needles)}"', exact="archive"))
        for _ in range(9)
    ]
    hot_ms, cold_ms = percentile(hot, 0.5), percentile(cold, 0.5)
    files = sum(1 for _ in (server.data / "archive").rglob("*.parquet"))
    return [
        plain("files of the archive", files, "files"),
        plain("lookup by token in the archive, p50", cold_ms, "ms"),
        at_most("that against the hot store", cold_ms / hot_ms, "times", 10),
    ]


def _timed(name: str, runs: int, work: Callable[[], object], goal_ms: float) -> list[Figure]:
    """The first run finds the caches empty."""
    cold = _took(work)
    times = [_took(work) for _ in range(runs)]
    return [
        plain(f"{name}, cold", cold, "ms"),
        plain(f"{name}, p50", percentile(times, 0.5), "ms"),
        at_most(f"{name}, p95", percentile(times, 0.95), "ms", goal_ms),
    ]


def _took(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return (time.monotonic() - began) * 1e3


def _lines(server: Server, data: Data, query: str, wanted: int = 1, **more: object) -> None:
    """Raises RuntimeError for fewer lines than that."""
    span = {"start": data.start_ns, "end": data.end_ns, "limit": LINES}
    found = sum(len(stream["values"]) for stream in _result(server, query, **span, **more))
    if found < wanted:
        raise RuntimeError(f"{query}: {found} lines, not {wanted}")


def _result(server: Server, query: str, **parameters: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(server.get(PATH, query=query, **parameters))["data"][
        "result"
    ]
    return found


def growth(server: Server, data: Data, times: int) -> list[Figure]:
    """The same rows, sent so many times: how fast the last are stored against the first."""
    rates = []
    for number in range(times):
        loaded = _sent(server, data, number + 1)
        if number in (0, times - 1):
            rates.append(loaded)
        if number == times - 2:
            process.wait_quiet(server.pid, ingest.SETTLE_S)
    return [
        plain("rows at first", data.rows, "rows"),
        plain("rows in the end", data.rows * times, "rows"),
        plain("first rows, until visible", rates[0], "MB/s"),
        plain("last rows, until visible", rates[1], "MB/s"),
        at_least("last against first", rates[1] / rates[0], "times", 0.9),
        at_most("memory, peak resident", process.peak_bytes(server.pid) / 1e6, "MB", 900),
    ]


def _sent(server: Server, data: Data, times: int) -> float:
    """MB a second until the rows are counted."""
    client = ingest.send(server, data)
    visible_s = server.await_metric("tailrace_writer_rows_total", data.rows * times, 3_600)
    seconds: float = visible_s - client["start_s"]
    return data.bytes / 1e6 / seconds
