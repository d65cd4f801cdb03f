"""The Prometheus routes: PromQL, series and their labels, and what describes the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.routing import BaseRoute

from tailrace.core import limits
from tailrace.core.errors import Busy, QueryError
from tailrace.query import results
from tailrace.query.asked import Asked, Identify, credential_tenant, whole
from tailrace.query.bounds import question
from tailrace.query.endpoint import Handler, refused, routes_of
from tailrace.query.envelope import BUILD_INFO
from tailrace.query.labels import sanitise
from tailrace.query.logql.lexer import placed
from tailrace.query.matrix.matrix import Matrix, Scalar
from tailrace.query.plan import Grid, grid
from tailrace.query.prometheus import encoding
from tailrace.query.prometheus.encoding import Reply
from tailrace.query.prometheus.exemplars import exemplars
from tailrace.query.promql.ast import Aggregation, Call, Selector, Subquery, Text, Window, selectors
from tailrace.query.promql.functions import SORTS
from tailrace.query.promql.kinds import SHOWN, kind
from tailrace.query.promql.parser import parse, parse_selector
from tailrace.query.promql.samples import LOOKBACK_NS, Samples
from tailrace.query.promql.series import safe_name
from tailrace.query.promql.seriestable import Span
from tailrace.query.promql.text import pretty
from tailrace.query.promql.tokens import MS
from tailrace.query.service import QueryService
from tailrace.query.times import LAST_NS, SECOND_NS, parse_span

PREFIX = "/api/v1"
# Prometheus' words for kinds of errors; any other is "internal".
_KINDS = {QueryError: "bad_data", Busy: "unavailable", TimeoutError: "timeout"}
_TRUNCATED = "results truncated due to limit"


def routes(service: QueryService, identify: Identify = credential_tenant) -> list[BaseRoute]:
    """The routes under /api/v1. `identify` gives the tenant of a request."""
    api = _Api(Samples(service))
    answers: dict[str, Handler] = {
        "query": api.query,
        "query_range": api.query_range,
        "query_exemplars": api.exemplars,
        "format_query": api.format_query,
        "series": api.series,
        "labels": api.labels,
        "label/{name}/values": api.values,
        "metadata": api.metadata,
        "status/buildinfo": api.build_info,
    }
    return routes_of(PREFIX, answers, service, identify, refusal, encoding.envelope)


def refusal(error: Exception) -> Response:
    """The answer to an error, in Prometheus' words for its kind."""
    found = refused(error)
    kind = next((word for one, word in _KINDS.items() if isinstance(error, one)), "internal")
    body = msgspec.json.encode({"status": "error", "errorType": kind, "error": found.message})
    return Response(body, found.status, found.headers, media_type="application/json")


class _Api:
    """The answers, as values to encode. Times are those of Prometheus: milliseconds."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    async def query(self, asked: Asked) -> object:
        tree = parse(asked.need("query"))
        time, most = asked.time("time", asked.now_ns) // MS * MS, _limit(asked)
        if isinstance(tree, Text):
            return encoding.string(tree.value, time)
        async with _answering(asked):
            if isinstance(tree, Window | Subquery):
                labels, points = await self._samples.window(tree, asked.tenant, time)
                return _reply(encoding.samples(labels, points), most)
            on = Grid(time, SECOND_NS, 1)
            value = await self._samples.value(tree, asked.tenant, on, _lookback(asked))
        if isinstance(value, Scalar):
            return _reply(results.scalar(value, time))
        assert isinstance(value, Matrix)
        ordered = isinstance(tree, Call | Aggregation) and tree.function in SORTS
        return _reply(results.vector(value, time, ordered), most)

    async def query_range(self, asked: Asked) -> object:
        tree, most = parse(asked.need("query")), _limit(asked)
        if kind(tree) not in ("scalar", "vector"):
            shown = SHOWN[kind(tree)]
            raise QueryError(f"a query over a range gives numbers or vectors, not {shown}", 0)
        for name in ("start", "end", "step"):
            asked.need(name)
        start, end = (asked.time(name, 0) // MS * MS for name in ("start", "end"))
        step = parse_span(asked.get("step"), "step") // MS * MS
        _in_order(asked, start, end)
        if not step:
            raise QueryError(f"step={asked.get('step')[:64]} is less than a millisecond")
        on = grid(start, end, step)
        async with _answering(asked):
            value = await self._samples.value(tree, asked.tenant, on, _lookback(asked))
        return _reply(results.matrix(value, on), most)

    async def exemplars(self, asked: Asked) -> object:
        found = selectors(parse(asked.need("query")))
        span = _span(asked)
        if span:
            _in_order(asked, *span)
        return await exemplars(self._samples, found, asked.tenant, span)

    async def format_query(self, asked: Asked) -> object:
        return pretty(parse(asked.need("query")))

    async def series(self, asked: Asked) -> object:
        found = await self._samples.series(_selectors(asked, True), asked.tenant, _span(asked))
        return _limited(asked, [dict(labels) for labels in found])

    async def labels(self, asked: Asked) -> object:
        wanted = _selectors(asked, False)
        if not wanted:
            found = await self._samples.label_names(asked.tenant, _span(asked))
        else:
            series = await self._samples.series(wanted, asked.tenant, _span(asked))
            found = sorted({name for labels in series for name, _ in labels})
        return _limited(asked, found)

    async def values(self, asked: Asked) -> object:
        wanted, label = _selectors(asked, False), asked.request.path_params["name"]
        if not wanted:
            found = await self._samples.label_values(label, asked.tenant, _span(asked))
        else:
            series = await self._samples.series(wanted, asked.tenant, _span(asked))
            names = (label, sanitise(label))
            found = sorted({value for labels in series for name, value in labels if name in names})
        return _limited(asked, found)

    async def metadata(self, asked: Asked) -> object:
        found = await self._samples.metadata(asked.tenant, asked.get("metric"))
        most = _limit(asked)
        return {
            safe_name(name): [{"type": kind, "unit": unit, "help": ""}]
            for name, (kind, unit) in list(found.items())[: most or None]
        }

    async def build_info(self, asked: Asked) -> object:
        return BUILD_INFO


@asynccontextmanager
async def _answering(asked: Asked) -> AsyncIterator[None]:
    """Errors with their place in the query; no longer than `timeout`, where it is given."""
    seconds = parse_span(asked.get("timeout"), "timeout") / 1e9 if asked.get("timeout") else None
    with placed(asked.get("query")):
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            if error.args:
                raise
            raise TimeoutError(
                f"the query took longer than its timeout of {asked.get('timeout')[:32]}"
            ) from None


def _lookback(asked: Asked) -> int:
    if not asked.get("lookback_delta"):
        return LOOKBACK_NS
    return max(parse_span(asked.get("lookback_delta"), "lookback_delta") // MS, 1) * MS


def _selectors(asked: Asked, needed: bool) -> list[Selector]:
    texts = asked.all("match[]")
    if len(texts) > limits.QUERY_FORM_FIELDS or (needed and not texts):
        raise QueryError(f"series needs 1 to {limits.QUERY_FORM_FIELDS} match[] parameters")
    return [parse_selector(text) for text in texts]


def _span(asked: Asked) -> Span:
    """From `start` to `end`; None, which is all time, without either."""
    if not asked.get("start") and not asked.get("end"):
        return None
    return asked.time("start", 0), asked.time("end", LAST_NS)


def _in_order(asked: Asked, start_ns: int, end_ns: int) -> None:
    if end_ns < start_ns:
        raise QueryError(f"end={asked.get('end')[:64]} is before the start")


def _limit(asked: Asked) -> int:
    """How many there may be; 0 is any number."""
    return whole(asked.get("limit") or "0", "limit")


def _limited(asked: Asked, found: list[Any]) -> object:
    most = _limit(asked)
    return Reply(found[:most], warnings=[_TRUNCATED]) if most and len(found) > most else found


def _reply(data: dict[str, Any], most: int = 0) -> Reply:
    """The data with its remarks; of its series the first `most`, unless it is 0."""
    warnings: list[str] = []
    if most and len(data["result"]) > most:
        data, warnings = {**data, "result": data["result"][:most]}, [_TRUNCATED]
    return Reply(data, list(question.asked().remarks), warnings)
