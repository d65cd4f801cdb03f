"""The Loki routes: queries, labels and what describes the server."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tailrace.core import limits
from tailrace.core.errors import QueryError
from tailrace.query.asked import Asked, Identify, credential_tenant
from tailrace.query.endpoint import Answer, Handler, plain, routes_of
from tailrace.query.logql.ast import LogQuery, Metric, VectorAggregation
from tailrace.query.logql.lexer import placed
from tailrace.query.logql.parser import parse, parse_log
from tailrace.query.logql.text import pretty
from tailrace.query.logs.entries import categorizes
from tailrace.query.logs.lines import LogRange
from tailrace.query.logs.logs import Logs
from tailrace.query.loki import encoding
from tailrace.query.loki.detected import Detected
from tailrace.query.loki.volume import Volume
from tailrace.query.matrix.confidence import is_estimate, relative_error
from tailrace.query.matrix.matrix import Matrix, Value
from tailrace.query.patterns.http import routes as pattern_routes
from tailrace.query.plan import Grid, grid
from tailrace.query.service import timed
from tailrace.query.times import HOUR_NS, SECOND_NS, default_step, parse_span

PREFIX = "/loki/api/v1"


def routes(logs: Logs, identify: Identify = credential_tenant) -> list[BaseRoute]:
    """The Loki API but for its live tail, see tail/socket.py. `identify` gives the tenant of a
    request."""
    api = _Api(logs)
    answers: dict[str, Handler] = {
        "query": api.query,
        "query_range": api.query_range,
        "labels": api.labels,
        "label": api.labels,
        "label/{name}/values": api.values,
        "series": api.series,
        "format_query": api.format_query,
    }
    found = routes_of(PREFIX, answers, logs.service, identify, plain)
    volume, detected = Volume(logs), Detected(logs)
    answers = {"index/volume": volume.volume, "index/volume_range": volume.volume_range}
    found += routes_of(PREFIX, answers, logs.service, identify, plain)
    bare = {
        "index/stats": volume.stats,
        "detected_labels": detected.labels,
        "detected_fields": detected.fields,
        "detected_field/{name}/values": detected.values,
    }
    found += routes_of(PREFIX, bare, logs.service, identify, plain, encoding.bare)
    found += pattern_routes(logs, identify)
    found.append(Route(f"{PREFIX}/status/buildinfo", _build_info))
    found.append(Route(f"{PREFIX}/drilldown-limits", _drilldown_limits))
    return found


async def _build_info(request: Request) -> Response:
    return Response(encoding.BUILD_INFO, media_type="application/json")


async def _drilldown_limits(request: Request) -> Response:
    return Response(encoding.drilldown_limits(), media_type="application/json")


class _Api:
    """The answers, as values to encode."""

    def __init__(self, logs: Logs) -> None:
        self._logs = logs

    async def query(self, asked: Asked) -> Answer:
        tree = parse(asked.need("query"))
        if isinstance(tree, LogQuery):
            raise QueryError("an instant query needs a metric query; use query_range for log lines")
        time = asked.time("time", asked.now_ns)
        value, seconds = await self._metric(tree, asked, Grid(time, SECOND_NS, 1))
        ordered = isinstance(tree, VectorAggregation) and tree.function.startswith("sort")
        data = encoding.instant_data(value, time, seconds, asked.flag("confidence"), ordered)
        return Answer(data, _headers(value))

    async def query_range(self, asked: Asked) -> object:
        tree = parse(asked.need("query"))
        start, end = asked.range()
        if isinstance(tree, LogQuery):
            return await self._lines(tree, asked, start, end)
        step = parse_span(asked.get("step"), "step") if asked.get("step") else 0
        on = grid(start, end, step or default_step(start, end))
        value, seconds = await self._metric(tree, asked, on)
        data = encoding.matrix_data(value, on, seconds, asked.flag("confidence"))
        return Answer(data, _headers(value))

    async def _lines(self, log: LogQuery, asked: Asked, start: int, end: int) -> object:
        wanted = LogRange(start, end, asked.limit(), asked.forward())
        with placed(asked.get("query")):
            found, seconds = await timed(
                lambda: self._logs.lines(log, asked.tenant, wanted), self._logs.service.clock
            )
        return encoding.log_data(found, categorizes(asked.request), seconds)

    async def _metric(self, tree: Metric, asked: Asked, on: Grid) -> tuple[Value, float]:
        with placed(asked.get("query")):
            return await timed(
                lambda: self._logs.metric(tree, asked.tenant, on), self._logs.service.clock
            )

    async def format_query(self, asked: Asked) -> object:
        return pretty(parse(asked.need("query")))

    async def labels(self, asked: Asked) -> object:
        start, end = asked.range(6 * HOUR_NS)
        return await self._logs.label_names(asked.tenant, start, end)

    async def values(self, asked: Asked) -> object:
        start, end = asked.range(6 * HOUR_NS)
        query = parse_log(asked.get("query")) if asked.get("query") else None
        name = asked.request.path_params["name"]
        return await self._logs.label_values(name, query, asked.tenant, start, end)

    async def series(self, asked: Asked) -> object:
        start, end = asked.range(6 * HOUR_NS)
        matches = asked.all("match[]") + asked.all("match")
        if not matches or len(matches) > limits.QUERY_FORM_FIELDS:
            raise QueryError(f"series needs 1 to {limits.QUERY_FORM_FIELDS} match[] parameters")
        found: dict[str, object] = {}
        for text in matches:
            query = parse_log(text)
            for labels in await self._logs.series(query, asked.tenant, start, end):
                found.setdefault(repr(labels), labels)
        return list(found.values())


def _headers(value: Value) -> dict[str, str]:
    """How sure an estimate is, where clients that do not know of it are not disturbed."""
    if not isinstance(value, Matrix) or not is_estimate(value):
        return {}
    error = f"from sampled rows; confidence=0.95; error={relative_error(value):.4f}"
    return {"X-Tailrace-Estimate": error}
