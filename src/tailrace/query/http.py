"""The Loki routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from starlette.datastructures import QueryParams
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from tailrace.core import limits
from tailrace.core.errors import Busy, QueryError, TailraceError
from tailrace.query import loki
from tailrace.query.evaluate import grid
from tailrace.query.logql.ast import LogQuery
from tailrace.query.logql.parser import parse, parse_log
from tailrace.query.plan import Grid
from tailrace.query.service import LogRange, QueryService, timed
from tailrace.query.tail import Tail
from tailrace.query.times import SECOND_NS, default_step, parse_span, parse_time

HOUR_NS = 3_600 * SECOND_NS
FORM_FIELDS = 64
Identify = Callable[[HTTPConnection], str]
Handler = Callable[["Asked"], Awaitable[object]]
Found = TypeVar("Found")


def default_tenant(connection: HTTPConnection) -> str:
    """The one tenant of an installation without credentials."""
    return "default"


class Asked:
    """One request: its tenant and parameters, from the URL and the form together."""

    def __init__(
        self, request: Request, tenant: str, form: QueryParams | None, now_ns: int
    ) -> None:
        self.request = request
        self.tenant = tenant
        self.now_ns = now_ns
        self._query: QueryParams = request.query_params
        self._form = form

    def all(self, name: str) -> list[str]:
        """Every value of a parameter."""
        return [*self._query.getlist(name), *(self._form.getlist(name) if self._form else [])]

    def get(self, name: str) -> str:
        """The first value, or ""."""
        return next(iter(self.all(name)), "")

    def need(self, name: str) -> str:
        """The first value. Raises QueryError when there is none."""
        if not self.get(name):
            raise QueryError(f"the parameter {name} is missing")
        return self.get(name)

    def time(self, name: str, default_ns: int) -> int:
        """A time in UTC nanoseconds."""
        return parse_time(self.get(name), name) if self.get(name) else default_ns

    def range(self, back_ns: int = HOUR_NS) -> tuple[int, int]:
        """`start` and `end`; by default the last hour, or `since`."""
        end = self.time("end", self.now_ns)
        if self.get("since"):
            back_ns = parse_span(self.get("since"), "since")
        start = self.time("start", max(min(end, self.now_ns) - back_ns, 0))
        if end < start:
            raise QueryError(f"end={self.get('end')[:64]} is before start={self.get('start')[:64]}")
        return start, end

    def limit(self) -> int:
        """Lines wanted, 100 by default."""
        text = self.get("limit") or "100"
        if not text.isascii() or not text.isdigit() or len(text) > 9:
            raise QueryError(f"limit={text[:32]!r} is no number from 1 to {limits.QUERY_ROWS}")
        return int(text)

    def forward(self) -> bool:
        """The direction, backward by default."""
        text = (self.get("direction") or "backward").lower()
        if text not in ("forward", "backward"):
            raise QueryError(f"direction={text[:32]!r} is neither forward nor backward")
        return text == "forward"

    def categorize(self) -> bool:
        """Whether the client wants structured metadata apart from labels."""
        flags = self.request.headers.get("x-loki-response-encoding-flags", "")
        return loki.CATEGORIZE in [flag.strip() for flag in flags.split(",")]


def routes(service: QueryService, identify: Identify = default_tenant) -> list[BaseRoute]:
    """The Loki API. `identify` gives the tenant of a request's credential, or raises
    starlette's HTTPException."""
    api = _Api(service)
    answers: dict[str, Handler] = {
        "query": api.query,
        "query_range": api.query_range,
        "labels": api.labels,
        "label": api.labels,
        "label/{name}/values": api.values,
        "series": api.series,
    }
    found: list[BaseRoute] = [
        Route(
            f"/loki/api/v1/{path}", _endpoint(handler, service, identify), methods=["GET", "POST"]
        )
        for path, handler in answers.items()
    ]
    found.append(Route("/loki/api/v1/status/buildinfo", _build_info))
    found.append(WebSocketRoute("/loki/api/v1/tail", Tail(service, identify)))
    return found


def _endpoint(
    handler: Handler, service: QueryService, identify: Identify
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        tenant = identify(request)
        try:
            form = await _form(request)
            data = await handler(Asked(request, tenant, form, service.clock.wall_ns()))
        except (TailraceError, TimeoutError) as error:
            service.metrics.add("tailrace_query_rejected_total", label=type(error).__name__)
            return refusal(error)
        return Response(loki.encode(data), media_type="application/json")

    return endpoint


async def _form(request: Request) -> QueryParams | None:
    kind = request.headers.get("content-type", "")
    if request.method != "POST" or not kind.startswith("application/x-www-form-urlencoded"):
        return None
    length = request.headers.get("content-length", "")
    if not length.isdigit() or int(length) > 4 * limits.QUERY_TEXT_BYTES:
        raise QueryError(f"a form needs a Content-Length up to {4 * limits.QUERY_TEXT_BYTES} bytes")
    body = await request.body()
    if body.count(b"&") >= FORM_FIELDS:
        raise QueryError(f"the form has more than {FORM_FIELDS} fields")
    return QueryParams(body)


def refusal(error: Exception) -> Response:
    """The plain text answer to an error."""
    if isinstance(error, QueryError):
        return PlainTextResponse(f"{error}\n", 400)
    if isinstance(error, Busy):
        status = 503 if error.overload else 429
        headers = {"Retry-After": str(max(1, round(error.retry_after_s)))}
        return PlainTextResponse(f"{error}\n", status, headers)
    if isinstance(error, TimeoutError):
        message = "the query took too long and was stopped; narrow the time range or the selector\n"
        return PlainTextResponse(message, 503)
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
