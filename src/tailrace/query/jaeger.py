"""The Jaeger routes: so far one trace by its id."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response
from starlette.routing import BaseRoute

from tailrace.core import limits
from tailrace.core.errors import Busy, QueryError, StoreError
from tailrace.query import traces
from tailrace.query.asked import Asked, Identify, credential_tenant
from tailrace.query.endpoint import busy, routes_of
from tailrace.query.engine import TOO_LARGE
from tailrace.query.service import QueryService


class UnknownTrace(QueryError):  # noqa: N818 - reads as the condition it reports
    """No span has this trace id."""


def routes(service: QueryService, identify: Identify = credential_tenant) -> list[BaseRoute]:
    """The routes under /api. `identify` gives the tenant of a request."""
    answers = {"traces/{trace_id}": _Api(service).trace}
    return routes_of("/api", answers, service, identify, refusal, encode)


def encode(data: object) -> bytes:
    """The envelope of every answer."""
    return _envelope(data, None)


def refusal(error: Exception) -> Response:
    """The answer to an error: its code and words in `errors`."""
    status, message = 500, f"the query failed: {error}"
    headers: dict[str, str] = {}
    if isinstance(error, QueryError):
        status, message = 404 if isinstance(error, UnknownTrace) else 400, str(error)
    elif isinstance(error, Busy):
        message = str(error)
        status, headers = busy(error)
    elif isinstance(error, TimeoutError):
        status, message = 503, str(error)
    body = _envelope(None, [{"code": status, "msg": message}])
    return Response(body, status, headers, media_type="application/json")


def _envelope(data: object, errors: list[dict[str, Any]] | None) -> bytes:
    return msgspec.json.encode(
        {"data": data, "total": 0, "limit": 0, "offset": 0, "errors": errors}
    )


class _Api:
    """The answers, as values to encode."""

    def __init__(self, service: QueryService) -> None:
        self._service = service

    async def trace(self, asked: Asked) -> object:
        """The trace, as a list of one."""
        most = limits.TRACE_SPANS
        ids = traces.spellings(asked.request.path_params["trace_id"])
        async with self._service.slot("trace"):
            try:
                rows = await self._service.run(traces.statement(ids, asked.tenant, most + 1))
            except StoreError as error:
                if error.code == TOO_LARGE:
                    raise QueryError(
                        f"the trace is larger than {limits.TRACE_BYTES} bytes (TRACE_BYTES)"
                    ) from error
                raise
        if not rows:
            raise UnknownTrace("trace not found")
        cut = [f"more than {most} spans (TRACE_SPANS): later ones are left out"]
        found = [traces.StoredSpan(*row) for row in rows[:most]]
        return [traces.trace(found, cut if len(rows) > most else ())]
