"""The route of SQL: `/api/sql`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from contextlib import aclosing

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Message, Receive, Scope, Send

from tailrace.core import limits
from tailrace.core.errors import QueryError, TailraceError
from tailrace.query.asked import Asked, Identify, credential_tenant, form_of
from tailrace.query.bounds.connected import Gone, while_connected
from tailrace.query.bounds.question import Question, asking
from tailrace.query.endpoint import exact_of, note_headers, refused
from tailrace.query.service import QueryService
from tailrace.query.sql.formats import Format, chosen
from tailrace.query.sql.service import Sql
from tailrace.query.sql.views import Extent

_TEXT = ("text/plain", "application/sql")
_FORM = "application/x-www-form-urlencoded"


def routes(service: QueryService, identify: Identify = credential_tenant) -> list[BaseRoute]:
    """GET and POST of `/api/sql`. `identify` gives the tenant of a request."""
    sql = Sql(service)

    async def endpoint(request: Request) -> Answer | Response:
        tenant = identify(request)
        try:
            body = await _text(request)
            asked = Asked(request, tenant, await form_of(request), service.clock.wall_ns())
            text = body or asked.need("query")
            extent = Extent(tenant, *asked.range())
            form = chosen(asked.get("format"), request.headers.get("accept", ""))
            question = Question(tenant, text, exact=exact_of(asked))
        except (TailraceError, TimeoutError) as error:
            return _counted(service, error)
        return Answer(service, sql, question, extent, form)

    return [Route("/api/sql", endpoint, methods=["GET", "POST"])]


async def _text(request: Request) -> str:
    """A posted body that is the query itself, or ""."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method != "POST" or kind == _FORM:
        return ""
    if kind not in _TEXT:
        raise QueryError(f"post the query as {_FORM}, or as {_TEXT[0]} or {_TEXT[1]} by itself")
    length = request.headers.get("content-length", "")
    if not length.isdigit() or int(length) > limits.QUERY_TEXT_BYTES:
        most = limits.QUERY_TEXT_BYTES
        raise QueryError(f"a query needs a Content-Length up to {most} bytes (QUERY_TEXT_BYTES)")
    try:
        return (await request.body()).decode()
    except UnicodeDecodeError:
        raise QueryError("the query is not UTF-8") from None


class Answer(Response):
    """One answer, sent while it is made.

    An error before the first byte has a status of its own. After it, the connection ends without
    the end of the body, so that no client takes a part for the whole; NDJSON says why in a last
    line, `{"error": "..."}`.
    """

    def __init__(
        self, service: QueryService, sql: Sql, question: Question, extent: Extent, form: Format
    ) -> None:
        self._service = service
        self._sql = sql
        self._question = question
        self._extent = extent
        self._form = form

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await while_connected(receive, self._answer(scope, receive, send))
        except Gone:
            self._service.metrics.add("tailrace_query_abandoned_total")
        except OSError:
            return  # what was sent last did not arrive

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = False

        async def body(piece: bytes, more: bool = True) -> None:
            nonlocal began
            if not began:
                began = True
                await send(_start(self._form, self._question.remarks))
            await send({"type": "http.response.body", "body": piece, "more_body": more})

        try:
            with asking(self._question):
                async with self._sql.room(), self._service.slot("sql"):
                    await self._send(body)
        except (TailraceError, TimeoutError) as error:
            refused = _counted(self._service, error)
            if not began:
                await refused(scope, receive, send)
            elif self._form.name == "ndjson":
                await body(bytes(refused.body) + b"\n")
            # Else the missing end of the body says it.

    async def _send(self, body: Callable[[bytes, bool], Awaitable[None]]) -> None:
        prepared = await self._sql.prepare(self._question.text, self._extent)
        async with aclosing(self._sql.run(prepared, self._form)) as pieces:
            async for piece in pieces:
                await body(piece, True)
            await body(b"", False)


def _start(form: Format, remarks: Collection[str]) -> Message:
    headers = [(b"content-type", form.media_type.encode()), (b"cache-control", b"no-store")]
    told = note_headers(remarks).items()
    headers += [(name.lower().encode(), value.encode()) for name, value in told]
    return {"type": "http.response.start", "status": 200, "headers": headers}


def _counted(service: QueryService, error: Exception) -> Response:
    service.metrics.add("tailrace_query_rejected_total", label=type(error).__name__)
    return refusal(error)


def refusal(error: Exception) -> Response:
    """The answer to an error: `{"error": "..."}`."""
    found = refused(error)
    body = msgspec.json.encode({"error": found.message})
    return Response(body, found.status, found.headers, media_type="application/json")
