"""The Prometheus routes: the small part of its HTTP API that promql.py can parse."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response
from starlette.routing import BaseRoute

from tailrace.core.errors import Busy, QueryError
from tailrace.query.asked import FORM_FIELDS, Asked, Identify, credential_tenant
from tailrace.query.endpoint import Handler, busy, routes_of
from tailrace.query.exemplars import exemplars
from tailrace.query.labels import sanitise
from tailrace.query.numbers import number, unix_seconds
from tailrace.query.plan import Grid, grid
from tailrace.query.promql import SUPPORTED, Query, parse, parse_selector
from tailrace.query.samples import MS, Samples, Series, Span, safe_name
from tailrace.query.service import QueryService
from tailrace.query.times import LAST_NS, SECOND_NS, parse_span


def routes(service: QueryService, identify: Identify = credential_tenant) -> list[BaseRoute]:
    """The routes under /api/v1. `identify` gives the tenant of a request."""
    api = _Api(Samples(service))
    answers: dict[str, Handler] = {
        "query": api.query,
        "query_range": api.query_range,
        "query_exemplars": api.exemplars,
        "series": api.series,
        "labels": api.labels,
        "label/{name}/values": api.values,
        "metadata": api.metadata,
    }
    return routes_of("/api/v1", answers, service, identify, refusal)


def refusal(error: Exception) -> Response:
    """The answer to an error, in Prometheus' words for its kind."""
    status, kind, message = 500, "internal", f"the query failed: {error}"
    headers: dict[str, str] = {}
    if isinstance(error, QueryError):
        status, kind, message = 400, "bad_data", str(error)
    elif isinstance(error, Busy):
        kind, message = "unavailable", str(error)
        status, headers = busy(error)
    elif isinstance(error, TimeoutError):
        status, kind, message = 503, "timeout", str(error)
    body = msgspec.json.encode({"status": "error", "errorType": kind, "error": message})
    return Response(body, status, headers, media_type="application/json")


class _Api:
    """The answers, as values to encode. Times are those of Prometheus: milliseconds."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    async def query(self, asked: Asked) -> object:
        tree = parse(asked.need("query"))
        time = asked.time("time", asked.now_ns) // MS * MS
        if not isinstance(tree, Query):
            return {"resultType": "scalar", "result": [unix_seconds(time), number(tree)]}
        found = await self._samples.evaluate(tree, asked.tenant, Grid(time, SECOND_NS, 1))
        result = [
            {"metric": dict(labels), "value": [unix_seconds(time), number(value)]}
            for labels, [value] in sorted(found.items())
            if value is not None
        ]
        return {"resultType": "vector", "result": result}

    async def query_range(self, asked: Asked) -> object:
        tree = parse(asked.need("query"))
        start, end = (asked.time(name, 0) // MS * MS for name in _needed(asked, "start", "end"))
        step = parse_span(asked.need("step"), "step") // MS * MS
        if end < start:
            raise QueryError(f"end={asked.get('end')[:64]} is before the start")
        if not step:
            raise QueryError(f"step={asked.get('step')[:64]} is less than a millisecond")
        on = grid(start, end, step)
        found: Series = (
            await self._samples.evaluate(tree, asked.tenant, on)
            if isinstance(tree, Query)
            else {(): [tree] * on.steps}
        )
        return {"resultType": "matrix", "result": _matrix(found, on)}

    async def exemplars(self, asked: Asked) -> object:
        tree = parse(asked.need("query"))
        if not isinstance(tree, Query):
            return []
        return await exemplars(self._samples, tree, asked.tenant, _span(asked))

    async def series(self, asked: Asked) -> object:
        found = await self._samples.series(_selectors(asked, True), asked.tenant, _span(asked))
        return _limited(asked, [dict(labels) for labels in found])

    async def labels(self, asked: Asked) -> object:
        selectors = _selectors(asked, False)
        if not selectors:
            found = await self._samples.label_names(asked.tenant, _span(asked))
        else:
            series = await self._samples.series(selectors, asked.tenant, _span(asked))
            found = sorted({name for labels in series for name, _ in labels})
        return _limited(asked, found)

    async def values(self, asked: Asked) -> object:
        selectors, label = _selectors(asked, False), asked.request.path_params["name"]
        if not selectors:
            found = await self._samples.label_values(label, asked.tenant, _span(asked))
        else:
            series = await self._samples.series(selectors, asked.tenant, _span(asked))
            names = (label, sanitise(label))
            found = sorted({value for labels in series for name, value in labels if name in names})
        return _limited(asked, found)

    async def metadata(self, asked: Asked) -> object:
        found = await self._samples.metadata(asked.tenant, asked.get("metric"))
        return {
            safe_name(name): [{"type": kind, "unit": unit, "help": ""}]
            for name, (kind, unit) in _limited(asked, list(found.items()))
        }


def _needed(asked: Asked, *names: str) -> list[str]:
    for name in names:
        asked.need(name)
    return list(names)


def _matrix(found: Series, on: Grid) -> list[dict[str, Any]]:
    times = [unix_seconds(on.start_ns + step * on.step_ns) for step in range(on.steps)]
    return [
        {
            "metric": dict(labels),
            "values": [
                [time, number(v)] for time, v in zip(times, values, strict=True) if v is not None
            ],
        }
        for labels, values in sorted(found.items())
    ]


def _selectors(asked: Asked, needed: bool) -> list[Query]:
    texts = asked.all("match[]")
    if len(texts) > FORM_FIELDS or (needed and not texts):
        raise QueryError(f"series needs 1 to {FORM_FIELDS} match[] parameters; {SUPPORTED}")
    return [parse_selector(text) for text in texts]


def _span(asked: Asked) -> Span | None:
    """From `start` to `end`; None, which is all time, without either."""
    if not asked.get("start") and not asked.get("end"):
        return None
    return asked.time("start", 0), asked.time("end", LAST_NS)


def _limited(asked: Asked, found: list[Any]) -> list[Any]:
    """The first `limit` of them, which is without end when it is 0 or not given."""
    text = asked.get("limit") or "0"
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise QueryError(f"limit={text[:32]!r} is no number from 0")
    return found[: int(text) or None]
