"""What every HTTP API of the query room does around an answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from tailrace.core.errors import Busy, QueryError, TailraceError
from tailrace.query.asked import Asked, Identify, form_of
from tailrace.query.bounds.connected import Gone, while_connected
from tailrace.query.bounds.question import ARCHIVE, Question, asking
from tailrace.query.envelope import encode
from tailrace.query.service import QueryService

Handler = Callable[[Asked], Awaitable[object]]
# What other servers say of a client that did not wait. Nobody gets it.
CLIENT_GONE = 499
ROWS_READ = "x-tailrace-rows-read"
BYTES_READ = "x-tailrace-bytes-read"
NOTES = "X-Tailrace-Notes"


@dataclass(frozen=True)
class Answer:
    """Data to encode and headers to say beside it; a handler may give it in place of data."""

    data: object
    headers: Mapping[str, str]


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
    """GET and POST of each path below `prefix`; errors are counted and answered by `refusal`. A
    handler is cancelled when its client goes away."""
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
            asked = Asked(request, tenant, form, service.clock.wall_ns())
            with asking(Question(tenant, _text(asked), exact=exact_of(asked))) as question:
                found = await while_connected(request.receive, handler(asked))
        except (TailraceError, TimeoutError) as error:
            service.metrics.add("tailrace_query_rejected_total", label=type(error).__name__)
            return refusal(error)
        except Gone:
            service.metrics.add("tailrace_query_abandoned_total")
            return Response(status_code=CLIENT_GONE)
        answer = found if isinstance(found, Answer) else Answer(found, {})
        headers = {**read_headers(question), **note_headers(question.remarks), **answer.headers}
        return Response(encode(answer.data), headers=headers, media_type="application/json")

    return endpoint


def _text(found: Asked) -> str:
    """What was asked, as a person wrote it."""
    return found.get("query") or "\n".join(found.all("match[]"))


def exact_of(found: Asked) -> str:
    """What the question is to be answered from; see Question. Raises QueryError."""
    text = found.get("exact")
    if text not in ("", ARCHIVE):
        raise QueryError(f"exact={text[:32]!r} is not {ARCHIVE!r}")
    return text


def note_headers(remarks: Collection[str]) -> dict[str, str]:
    """What an answer has to tell, where clients that do not know of it are not disturbed."""
    return {NOTES: "; ".join(remarks)} if remarks else {}


def read_headers(question: Question) -> dict[str, str]:
    """What was read for an answer; nothing where it is not known."""
    used = question.used
    if not used.rows:
        return {}
    return {ROWS_READ: str(used.rows), BYTES_READ: str(used.bytes)}


@dataclass(frozen=True)
class Refused:
    """What an error says in every API: status, words and headers."""

    status: int
    message: str
    headers: Mapping[str, str]


def refused(error: Exception) -> Refused:
    """400 for what is wrong in the question, 429 or 503 with Retry-After where it is to be asked
    again, 503 where time was over, 500 for what is wrong here."""
    if isinstance(error, Busy):
        again = {"Retry-After": str(max(1, round(error.retry_after_s)))}
        return Refused(503 if error.overload else 429, str(error), again)
    if isinstance(error, QueryError | TimeoutError):
        return Refused(400 if isinstance(error, QueryError) else 503, str(error), {})
    return Refused(500, f"the query failed: {error}", {})


def plain(error: Exception) -> Response:
    """The answer to an error as plain text, as Loki's clients read it."""
    found = refused(error)
    return PlainTextResponse(f"{found.message}\n", found.status, found.headers)
