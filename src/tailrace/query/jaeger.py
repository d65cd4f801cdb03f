"""The Jaeger routes, and the log lines of a trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.responses import Response
from starlette.routing import BaseRoute

from tailrace.core import limits
from tailrace.core.errors import QueryError, TailraceError
from tailrace.core.frame import Signal
from tailrace.query.asked import Asked, Identify, credential_tenant
from tailrace.query.endpoint import Refused, refused, routes_of
from tailrace.query.plan import Statement
from tailrace.query.service import QueryService
from tailrace.query.traces import dependencies, logs, names, parameters, reading
from tailrace.query.traces.names import Remembered
from tailrace.query.traces.stored import Span

NO_METRICS = (
    "metrics of spans are not computed here; ask for metrics at /api/v1/query, or for calls "
    "between services at /api/dependencies"
)


class _Any(StringConvertor):
    """A part of a path that may hold slashes, and newlines as any text may."""

    regex = r"[\s\S]+"

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("any", _Any())


class UnknownTrace(QueryError):
    """No span has this trace id."""


class NotServed(TailraceError):
    """A part of Jaeger's API."""


class Found(msgspec.Struct, frozen=True):
    """`data` of an answer with `total`, or with errors about parts of what was asked."""

    data: list[Any]
    total: int = 0
    errors: list[dict[str, Any]] | None = None


def routes(service: QueryService, identify: Identify = credential_tenant) -> list[BaseRoute]:
    """The routes under /api. `identify` gives the tenant of a request."""
    api = _Api(service)
    jaeger = {
        "services": api.services,
        "services/{service:any}/operations": api.operations,
        "operations": api.operations_of,
        "traces": api.traces,
        "traces/{trace_id}": api.trace,
        "dependencies": api.dependencies,
        "metrics/{name}": api.metrics,
    }
    own = {"traces/{trace_id}/logs": api.logs}
    return [
        *routes_of("/api", jaeger, service, identify, refusal, encode),
        *routes_of("/api/v1", own, service, identify, refusal, encode),
    ]


def encode(data: object) -> bytes:
    """The envelope of every answer."""
    if isinstance(data, Found):
        return _envelope(data.data, data.errors, data.total)
    return _envelope(data, None)


def refusal(error: Exception) -> Response:
    """The answer to an error: its code and words in `errors`."""
    found = refused(error)
    if isinstance(error, UnknownTrace):
        found = Refused(404, str(error), {})
    elif isinstance(error, NotServed):
        # By this status Jaeger's page knows that there is nothing to show.
        found = Refused(501, str(error), {})
    body = _envelope(None, [{"code": found.status, "msg": found.message}])
    return Response(body, found.status, found.headers, media_type="application/json")


def _envelope(data: object, errors: list[dict[str, Any]] | None, total: int = 0) -> bytes:
    return msgspec.json.encode(
        {"data": data, "total": total, "limit": 0, "offset": 0, "errors": errors}
    )


class _Api:
    """The answers, as values to encode."""

    def __init__(self, service: QueryService) -> None:
        self._service = service
        self._remembered = Remembered(service.run, service.clock)

    async def services(self, asked: Asked) -> object:
        """Names of services."""
        rows = await self._names(
            asked, lambda span_ns, table: names.services(asked.tenant, span_ns, table)
        )
        return Found([row[0] for row in rows], len(rows))

    async def operations(self, asked: Asked) -> object:
        """Names of the operations of a service."""
        rows = await self._operations(asked, asked.request.path_params["service"])
        found = list(dict.fromkeys(name for name, _ in rows))
        return Found(found, len(found))

    async def operations_of(self, asked: Asked) -> object:
        """Operations of `service` with their kinds, of one `spanKind` or of all."""
        if not asked.get("service"):
            raise QueryError("parameter 'service' is required")
        rows = await self._operations(asked, asked.get("service"), asked.get("spanKind"))
        found = [{"name": name, "spanKind": _kind(kind)} for name, kind in rows]
        return Found(found, len(found))

    async def _operations(self, asked: Asked, of: str, kind: str = "") -> names.Names:
        return await self._names(
            asked,
            lambda span_ns, table: names.operations(asked.tenant, of, kind, span_ns, table),
        )

    async def _names(
        self, asked: Asked, statement: Callable[[Span, str], Statement]
    ) -> names.Names:
        """The rows of a statement over a range of time and what it is read from. Lists without a
        range, such as a page asks for when it is opened, are quick: of the hot table alone."""

        async def wanted(span_ns: Span) -> Statement:
            given = span_ns if asked.get("start") or asked.get("exact") else None
            table = await reading.table_of(self._service, Signal.SPANS, asked.tenant, given)
            return statement(span_ns, table)

        async with self._service.slot("trace"):
            return await self._remembered.names(parameters.names(asked), wanted)

    async def traces(self, asked: Asked) -> object:
        """The traces of `traceID`, or those that a search finds."""
        if wanted := asked.all("traceID"):
            return await self._several(asked, wanted)
        search = parameters.search(asked)
        async with self._service.slot("trace"):
            return Found(await reading.by_search(self._service, search, asked.tenant))

    async def _several(self, asked: Asked, wanted: list[str]) -> Found:
        if len(wanted) > limits.QUERY_TERMS:
            raise QueryError(f"more than {limits.QUERY_TERMS} traces by their ids (QUERY_TERMS)")
        wanted = list(dict.fromkeys(wanted))
        async with self._service.slot("trace"):
            found = await reading.by_ids(self._service, wanted, asked.tenant)
        missing = [
            {"code": 404, "msg": "trace not found", "traceID": trace_id}
            for trace_id in wanted
            if trace_id not in found
        ]
        return Found(list(found.values()), errors=missing or None)

    async def trace(self, asked: Asked) -> object:
        """The trace, as a list of one."""
        trace_id = asked.request.path_params["trace_id"]
        near = parameters.hint(asked)
        async with self._service.slot("trace"):
            found = await reading.by_ids(self._service, [trace_id], asked.tenant, near)
        if not found:
            raise UnknownTrace("trace not found")
        return list(found.values())

    async def logs(self, asked: Asked) -> object:
        """The log lines of a trace."""
        trace_id = asked.request.path_params["trace_id"]
        limit = asked.limit() if asked.get("limit") else logs.LINES
        near = parameters.hint(asked)
        async with self._service.slot("trace"):
            found = await logs.of_trace(self._service, trace_id, asked.tenant, limit, near)
        if found is None:
            raise UnknownTrace("trace not found")
        return found

    async def dependencies(self, asked: Asked) -> object:
        """Calls between services."""
        span = parameters.dependencies(asked)
        async with self._service.slot("trace"):
            table = await reading.table_of(self._service, Signal.SPANS, asked.tenant, span)
            return await dependencies.of_services(self._service.run, asked.tenant, span, table)

    async def metrics(self, asked: Asked) -> object:
        """Refused: what Jaeger's page calls monitoring needs metrics of spans."""
        raise NotServed(NO_METRICS)


def _kind(stored: str) -> str:
    return "" if stored == "Unspecified" else stored.lower()
