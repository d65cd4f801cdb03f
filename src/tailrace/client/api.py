"""Asks the HTTP APIs: Loki's, Prometheus', Jaeger's and that of SQL."""

from __future__ import annotations

import http.client
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from tailrace.client.server import Server, said
from tailrace.core.errors import QueryError, StoreError
from tailrace.core.limits import KIB, QUERY_ROWS
from tailrace.core.line import Line

PAGE_LINES = 1_000
Form = dict[str, Any]
# Hears what the server has to say of an answer.
Told = Callable[[str], None]


def _nobody(note: str) -> None:
    pass


def logql(words: str) -> str:
    """`words` as LogQL: anything with braces is LogQL already, plain words become a needle."""
    if "{" in words:
        return words
    # A text of JSON is one of LogQL, too.
    return f'{{service_name=~".+"}} |= {msgspec.json.encode(words).decode()}'


def is_metric(query: str) -> bool:
    """Whether a query gives numbers, not lines."""
    return not query.lstrip().startswith(("{", "#"))


def query(
    server: Server,
    text: str,
    start_ns: int,
    end_ns: int,
    limit: int = 100,
    direction: str = "backward",
    exact: str = "",
    told: Told = _nobody,
) -> Iterator[Line]:
    """At most `limit` lines of `[start_ns, end_ns)`, page by page, in the asked order. `exact`:
    "archive" for what the archive has; `told` gets the server's notes on each page.

    Raises QueryError when the server refuses the query, StoreError when it cannot be asked.
    More than QUERY_ROWS lines of one nanosecond are cut at that number.
    """
    seen: Counter[tuple[Any, ...]] = Counter()
    edge = -1
    forward = direction == "forward"
    while limit > 0 and start_ns < end_ns:
        overlap = seen.total()
        size = min(PAGE_LINES, limit) + overlap
        size = min(size, QUERY_ROWS)
        asked = {"query": text, "start": start_ns, "end": end_ns, "limit": size}
        page = _page(server, {**asked, "direction": direction, **_exact(exact)}, told)
        fresh = _without(page, seen)[:limit]
        yield from fresh
        limit -= len(fresh)
        if len(page) < size:
            return
        last = page[-1].time_ns
        if not fresh:
            start_ns, end_ns = (last + 1, end_ns) if forward else (start_ns, last)
            seen, edge = Counter(), -1
            continue
        seen = Counter() if last != edge else seen
        seen += Counter(_key(line) for line in fresh if line.time_ns == last)
        edge = last
        start_ns, end_ns = (last, end_ns) if forward else (start_ns, last + 1)


def _key(line: Line) -> tuple[Any, ...]:
    return (line.time_ns, tuple(sorted(line.labels.items())), line.body)


def _without(page: list[Line], seen: Counter[tuple[Any, ...]]) -> list[Line]:
    left = seen.copy()
    fresh = []
    for line in page:
        key = _key(line)
        if left[key] > 0:
            left[key] -= 1
        else:
            fresh.append(line)
    return fresh


def _page(server: Server, asked: Form, told: Told) -> list[Line]:
    answer = _post(server, "/loki/api/v1/query_range", asked, told)
    newest_first = asked["direction"] == "backward"
    found = lines(answer["data"]["result"])
    return sorted(found, key=lambda line: line.time_ns, reverse=newest_first)


def metric(
    server: Server,
    text: str,
    start_ns: int,
    end_ns: int,
    exact: str = "",
    told: Told = _nobody,
) -> list[dict[str, Any]]:
    """The series of a metric query: `{"metric": {...}, "values": [[seconds, "number"], ...]}`.
    `exact` and `told` as for `query`."""
    asked = {"query": text, "start": start_ns, "end": end_ns, **_exact(exact)}
    answer = _post(server, "/loki/api/v1/query_range", asked, told)
    result: list[dict[str, Any]] = answer["data"]["result"]
    return result


def samples(
    server: Server,
    text: str,
    start_ns: int,
    end_ns: int,
    step_ns: int,
) -> list[dict[str, Any]]:
    """The series of a query of metrics, as `metric` gives them."""
    asked = {"query": text} | {
        name: f"{value / 1e9:.3f}"
        for name, value in (("start", start_ns), ("end", end_ns), ("step", step_ns))
    }
    answer = _post(server, "/api/v1/query_range", asked)
    result: list[dict[str, Any]] = answer["data"]["result"]
    return result


def metadata(server: Server) -> dict[str, list[dict[str, str]]]:
    """What is known of each metric: `{"up": [{"type": "gauge", "unit": "", "help": ""}]}`."""
    found: dict[str, list[dict[str, str]]] = _post(server, "/api/v1/metadata", {})["data"]
    return found


def patterns(
    server: Server,
    text: str,
    start_ns: int,
    end_ns: int,
    step_ns: int,
) -> dict[str, Any]:
    """The templates of a log query's lines, as patterns/http.py shapes them."""
    asked = {"query": text, "start": start_ns, "end": end_ns, "step": f"{step_ns // 10**9}s"}
    found: dict[str, Any] = _post(server, "/loki/api/v1/patterns", asked)
    return found


def trace(server: Server, trace_id: str) -> dict[str, Any]:
    """One trace, as traces/shape.py shapes it. Raises QueryError when no span has this id."""
    found: dict[str, Any] = _get(server, f"/api/traces/{trace_id}", {})[0]
    return found


def trace_logs(server: Server, trace_id: str) -> dict[str, Any]:
    """The log lines of a trace, as traces/logs.py shapes them. Raises as `trace` does."""
    path = f"/api/v1/traces/{trace_id}/logs"
    found: dict[str, Any] = _get(server, path, {"limit": QUERY_ROWS})
    return found


def lines(streams: list[dict[str, Any]]) -> list[Line]:
    """The lines of an answer or of a tail message, as sent."""
    return [
        Line(int(entry[0]), stream["stream"], entry[1])
        for stream in streams
        for entry in stream["values"]
    ]


def sql(
    server: Server,
    text: str,
    start_ns: int,
    end_ns: int,
    form: str,
) -> Iterator[bytes]:
    """The answer to SQL in `form`, one of docs/sql.md, piece by piece.

    Raises QueryError when the server refuses the query or it fails half way, StoreError when the
    server cannot be asked or goes away. What came before an error is no whole answer.
    """
    asked = {"query": text, "start": start_ns, "end": end_ns, "format": form}
    last = b""
    try:
        with server.submit("/api/sql", asked) as answer:
            while piece := answer.read1(256 * KIB):
                last = (last + piece)[-4 * KIB :]
                yield piece
    except (http.client.HTTPException, OSError) as error:
        words = said(last.rstrip(b"\n").rpartition(b"\n")[2]) if form == "ndjson" else ""
        if words.startswith("{") or not words:
            reason = str(error) or type(error).__name__
            raise StoreError(f"the answer of {server.url} ended before its end: {reason}") from None
        raise QueryError(words) from None


def _exact(exact: str) -> Form:
    return {"exact": exact} if exact else {}


def _post(server: Server, path: str, form: Form, told: Told = _nobody) -> Any:
    with server.submit(path, form) as answer:
        if note := answer.headers.get("X-Tailrace-Notes"):
            told(note)
        return server.parse(server.read(answer), dict[str, Any])


def _get(server: Server, path: str, asked: Form) -> Any:
    return server.parse(server.get(path, asked), dict[str, Any])["data"]
