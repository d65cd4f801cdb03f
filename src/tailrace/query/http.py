"""The Loki routes."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from tailrace.core.errors import Busy, QueryError
from tailrace.query import loki
from tailrace.query.asked import FORM_FIELDS, HOUR_NS, Asked, Identify, credential_tenant
from tailrace.query.endpoint import Handler, busy, routes_of
from tailrace.query.evaluate import grid
from tailrace.query.logql.ast import LogQuery
from tailrace.query.logql.parser import parse, parse_log
from tailrace.query.patterns.http import routes as pattern_routes
from tailrace.query.plan import Grid
from tailrace.query.service import LogRange, QueryService, timed
from tailrace.query.tail import Hub, Tail
from tailrace.query.times import SECOND_NS, default_step, parse_span


def routes(
    service: QueryService, identify: Identify = credential_tenant, hub: Hub | None = None
) -> list[BaseRoute]:
    """The Loki API. `identify` gives the tenant of a request; `hub` is what is followed."""
    api = _Api(service)
    answers: dict[str, Handler] = {
        "query": api.query,
        "query_range": api.query_range,
        "labels": api.labels,
        "label": api.labels,
        "label/{name}/values": api.values,
        "series": api.series,
    }
    found = routes_of("/loki/api/v1", answers, service, identify, refusal)
    found += pattern_routes(service, refusal, identify)
    found.append(Route("/loki/api/v1/status/buildinfo", _build_info))
    found.append(WebSocketRoute("/loki/api/v1/tail", Tail(service, identify, hub)))
    return found


def refusal(error: Exception) -> Response:
    """The plain text answer to an error."""
    if isinstance(error, QueryError):
        return PlainTextResponse(f"{error}\n", 400)
    if isinstance(error, Busy):
        status, headers = busy(error)
        return PlainTextResponse(f"{error}\n", status, headers)
    if isinstance(error, TimeoutError):
        return PlainTextResponse(f"{error}\n", 503)
    return PlainTextResponse(f"the query failed: {error}\n", 500)


async def _build_info(request: Request) -> Response:
    return Response(
        b'{"version":"3.0.0","revision":"tailrace","branch":"","buildDate":"","buildUser":"",'
        b'"goVersion":""}',
        media_type="application/json",
    )


class _Api:
    """The answers, as values to encode."""

    def __init__(self, service: QueryService) -> None:
        self._service = service

    async def query(self, asked: Asked) -> object:
        tree = parse(asked.need("query"))
        if isinstance(tree, LogQuery):
            raise QueryError("an instant query needs a metric query; use query_range for log lines")
        metric = tree
        time = asked.time("time", asked.now_ns)
        on = Grid(time, SECOND_NS, 1)
        value, seconds = await timed(
            lambda: self._service.metric(metric, asked.tenant, on), self._service.clock
        )
        return loki.instant_data(value, time, seconds)

    async def query_range(self, asked: Asked) -> object:
        tree = parse(asked.need("query"))
        start, end = asked.range()
        if isinstance(tree, LogQuery):
            log = tree
            wanted = LogRange(start, end, asked.limit(), asked.forward())
            rows, seconds = await timed(
                lambda: self._service.lines(log, asked.tenant, wanted), self._service.clock
            )
            return loki.log_data(rows, asked.categorize(), seconds)
        metric = tree
        step = parse_span(asked.get("step"), "step") if asked.get("step") else 0
        on = grid(start, end, step or default_step(start, end))
        value, seconds = await timed(
            lambda: self._service.metric(metric, asked.tenant, on), self._service.clock
        )
        return loki.matrix_data(value, on, seconds)

    async def labels(self, asked: Asked) -> object:
        start, end = asked.range(6 * HOUR_NS)
        return await self._service.label_names(asked.tenant, start, end)

    async def values(self, asked: Asked) -> object:
        start, end = asked.range(6 * HOUR_NS)
        query = parse_log(asked.get("query")) if asked.get("query") else None
        name = asked.request.path_params["name"]
        return await self._service.label_values(name, query, asked.tenant, start, end)

    async def series(self, asked: Asked) -> object:
        start, end = asked.range(6 * HOUR_NS)
        matches = asked.all("match[]") + asked.all("match")
        if not matches or len(matches) > FORM_FIELDS:
            raise QueryError(f"series needs 1 to {FORM_FIELDS} match[] parameters")
        found: dict[str, object] = {}
        for text in matches:
            query = parse_log(text)
            for labels in await self._service.series(query, asked.tenant, start, end):
                found.setdefault(repr(labels), labels)
        return list(found.values())
