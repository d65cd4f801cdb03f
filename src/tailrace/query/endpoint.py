"""What every HTTP API of the query room does around an answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tailrace.core.errors import Busy, TailraceError
from tailrace.query.asked import Asked, Identify, form_of
from tailrace.query.loki import encode
from tailrace.query.service import QueryService

Handler = Callable[[Asked], Awaitable[object]]
# An error in the words of one API.
Refusal = Callable[[Exception], Response]
# An answer in its envelope.
Encode = Callable[[object], bytes]


def routes_of(
    prefix: str,
    answers: Mapping[str, Handler],
    service: QueryService,
    identify: Identify,
    refusal: Refusal,
    encode: Encode = encode,
) -> list[BaseRoute]:
    """GET and POST of each path below `prefix`; errors are counted and answered by `refusal`."""
    return [
        Route(
            f"{prefix}/{path}",
            _endpoint(handler, service, identify, refusal, encode),
            methods=["GET", "POST"],
        )
        for path, handler in answers.items()
    ]


def _endpoint(
    handler: Handler, service: QueryService, identify: Identify, refusal: Refusal, encode: Encode
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        tenant = identify(request)
        try:
            form = await form_of(request)
            data = await handler(Asked(request, tenant, form, service.clock.wall_ns()))
        except (TailraceError, TimeoutError) as error:
            service.metrics.add("tailrace_query_rejected_total", label=type(error).__name__)
            return refusal(error)
        return Response(encode(data), media_type="application/json")

    return endpoint


def busy(error: Busy) -> tuple[int, dict[str, str]]:
    """Status and headers of an answer that asks to come again."""
    return (
        503 if error.overload else 429,
        {"Retry-After": str(max(1, round(error.retry_after_s)))},
    )
