"""Asks the HTTP APIs: Loki's, Prometheus', Jaeger's and that of SQL.

From the standard library and msgspec alone.
"""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from tailrace.core.errors import QueryError, StoreError
from tailrace.core.limits import KIB, MIB, QUERY_ROWS, QUERY_SECONDS
from tailrace.core.line import Line

PAGE_LINES = 1_000
ANSWER_BYTES = 512 * MIB
# A query may wait for its turn, and a server may be configured to give it longer than by default.
TIMEOUT_S = 2 * QUERY_SECONDS + 15
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
    url: str,
    text: str,
    start_ns: int,
    end_ns: int,
    limit: int = 100,
    direction: str = "backward",
    token: str = "",
    tls: ssl.SSLContext | None = None,
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
        page = _page(url, {**asked, "direction": direction, **_exact(exact)}, token, tls, told)
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


def _page(url: str, asked: Form, token: str, tls: ssl.SSLContext | None, told: Told) -> list[Line]:
    answer = _post(url, "loki/api/v1/query_range", asked, token, tls, told)
    newest_first = asked["direction"] == "backward"
    found = lines(answer["data"]["result"])
    return sorted(found, key=lambda line: line.time_ns, reverse=newest_first)


def metric(
    url: str,
    text: str,
    start_ns: int,
    end_ns: int,
    token: str = "",
    tls: ssl.SSLContext | None = None,
    exact: str = "",
    told: Told = _nobody,
) -> list[dict[str, Any]]:
    """The series of a metric query: `{"metric": {...}, "values": [[seconds, "number"], ...]}`.
    `exact` and `told` as for `query`."""
    asked = {"query": text, "start": start_ns, "end": end_ns, **_exact(exact)}
    answer = _post(url, "loki/api/v1/query_range", asked, token, tls, told)
    result: list[dict[str, Any]] = answer["data"]["result"]
    return result


def samples(
    url: str,
    text: str,
    start_ns: int,
    end_ns: int,
    step_ns: int,
    token: str = "",
    tls: ssl.SSLContext | None = None,
) -> list[dict[str, Any]]:
    """The series of a query of metrics, as `metric` gives them."""
    asked = {"query": text} | {
        name: f"{value / 1e9:.3f}"
        for name, value in (("start", start_ns), ("end", end_ns), ("step", step_ns))
    }
    answer = _post(url, "api/v1/query_range", asked, token, tls)
    result: list[dict[str, Any]] = answer["data"]["result"]
    return result


def metadata(
    url: str, token: str = "", tls: ssl.SSLContext | None = None
) -> dict[str, list[dict[str, str]]]:
    """What is known of each metric: `{"up": [{"type": "gauge", "unit": "", "help": ""}]}`."""
    found: dict[str, list[dict[str, str]]] = _post(url, "api/v1/metadata", {}, token, tls)["data"]
    return found


def patterns(
    url: str,
    text: str,
    start_ns: int,
    end_ns: int,
    step_ns: int,
    token: str = "",
    tls: ssl.SSLContext | None = None,
) -> dict[str, Any]:
    """The templates of a log query's lines, as patterns/http.py shapes them."""
    asked = {"query": text, "start": start_ns, "end": end_ns, "step": f"{step_ns // 10**9}s"}
    found: dict[str, Any] = _post(url, "loki/api/v1/patterns", asked, token, tls)
    return found


def trace(
    url: str, trace_id: str, token: str = "", tls: ssl.SSLContext | None = None
) -> dict[str, Any]:
    """One trace, as traces/shape.py shapes it. Raises QueryError when no span has this id."""
    found: dict[str, Any] = _ask(url, f"api/traces/{trace_id}", None, token, tls)["data"][0]
    return found


def trace_logs(
    url: str, trace_id: str, token: str = "", tls: ssl.SSLContext | None = None
) -> dict[str, Any]:
    """The log lines of a trace, as traces/logs.py shapes them. Raises as `trace` does."""
    path = f"api/v1/traces/{trace_id}/logs?limit={QUERY_ROWS}"
    found: dict[str, Any] = _ask(url, path, None, token, tls)["data"]
    return found


def lines(streams: list[dict[str, Any]]) -> list[Line]:
    """The lines of an answer or of a tail message, as sent."""
    return [
        Line(int(entry[0]), stream["stream"], entry[1])
        for stream in streams
        for entry in stream["values"]
    ]


def sql(
    url: str,
    text: str,
    start_ns: int,
    end_ns: int,
    form: str,
    token: str = "",
    tls: ssl.SSLContext | None = None,
) -> Iterator[bytes]:
    """The answer to SQL in `form`, one of docs/sql.md, piece by piece.

    Raises QueryError when the server refuses the query or it fails half way, StoreError when the
    server cannot be asked or goes away. What came before an error is no whole answer.
    """
    asked = {"query": text, "start": start_ns, "end": end_ns, "format": form}
    last = b""
    try:
        with _open(url, "api/sql", urllib.parse.urlencode(asked).encode(), token, tls) as answer:
            while piece := answer.read1(256 * KIB):
                last = (last + piece)[-4 * KIB :]
                yield piece
    except (http.client.HTTPException, OSError) as error:
        said = _said(last.rstrip(b"\n").rpartition(b"\n")[2]) if form == "ndjson" else ""
        if said.startswith("{") or not said:
            reason = str(error) or type(error).__name__
            raise StoreError(f"the answer of {url} ended before its end: {reason}") from None
        raise QueryError(said) from None


def _headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def _exact(exact: str) -> Form:
    return {"exact": exact} if exact else {}


def _post(
    url: str, path: str, form: Form, token: str, tls: ssl.SSLContext | None, told: Told = _nobody
) -> Any:
    return _ask(url, path, urllib.parse.urlencode(form).encode(), token, tls, told)


def _ask(
    url: str,
    path: str,
    form: bytes | None,
    token: str,
    tls: ssl.SSLContext | None,
    told: Told = _nobody,
) -> Any:
    """The answer to a form, or to a GET without one, from JSON."""
    try:
        with _open(url, path, form, token, tls) as answer:
            if note := answer.headers.get("X-Tailrace-Notes"):
                told(note)
            return msgspec.json.decode(answer.read(ANSWER_BYTES))
    except (OSError, http.client.HTTPException, msgspec.DecodeError) as error:
        raise StoreError(f"cannot ask {url}: {error}; is `tailrace up` running?") from None


def _open(url: str, path: str, form: bytes | None, token: str, tls: ssl.SSLContext | None) -> Any:
    """The answer, to be read and closed."""
    if not url.startswith(("http://", "https://")):
        raise StoreError(f"--url {url} is no http:// or https:// address")
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
        f"{url.rstrip('/')}/{path}",
        data=form,
        headers=_headers(token),
    )
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT_S, context=tls)  # noqa: S310
    except urllib.error.HTTPError as error:
        with error:
            said = _said(error.read(4096))
        raise QueryError(f"{said or error.reason} ({error.code})") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise StoreError(f"cannot ask {url}: {reason}; is `tailrace up` running?") from None


class _Message(msgspec.Struct):
    msg: str = ""


class _Refused(msgspec.Struct):
    error: str = ""
    errors: list[_Message] | None = None


def _said(body: bytes) -> str:
    """The words of an error: Loki's are text, Prometheus' and Jaeger's stand in JSON."""
    try:
        refused = msgspec.json.decode(body, type=_Refused)
    except msgspec.MsgspecError:
        return body.decode("utf-8", "replace").strip()
    return refused.error or "; ".join(one.msg for one in refused.errors or ())
