"""GET /api/v1/deadletters, /api/v1/deadletters/{id} and its /payload; POST
/api/v1/deadletters/replay and /drop.

Letters of the credential's tenant. Those of which nobody knows whose they are, such as broken bytes
that may be anybody's, are for those alone who run the server: ADMIN in the tenant that is told of
the server.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tailrace.core import limits, parameters
from tailrace.core.access import Scope, principal_of
from tailrace.core.clock import Clock
from tailrace.core.contracts import Position
from tailrace.core.errors import Busy, QueryError, StoreError
from tailrace.core.log import get
from tailrace.core.payload import beginning
from tailrace.queue.desk import Desk, Done, Wanted
from tailrace.queue.letter import Item, Kept, Letter, id_text, in_words, parse_id

_log = get("queue")
_USUAL_LISTED = 100
_USUAL_SHOWN_BYTES = 4 * limits.KIB
_BODY_BYTES = 64 * limits.KIB
_CHANGES = ("replay", "drop")
_STORE_S = 5
_Answer = Callable[[Request], Awaitable[Response]]
_Name = Annotated[str, msgspec.Meta(max_length=1_000)]


class Which(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a change. At least one of `ids`, `reason`, `source`, `since` and `all` is given.
    `after` and `last` are `next` and `last` of the answer before. `dry`: only count."""

    ids: Annotated[list[str], msgspec.Meta(max_length=limits.DEAD_LETTERS_AT_ONCE)] | None = None
    reason: _Name = ""
    source: _Name = ""
    since: _Name = ""
    all: bool = False
    after: _Name = ""
    last: _Name = ""
    dry: bool = False


_which = msgspec.json.Decoder(Which)


def reading(desk: Desk, operator: str, clock: Clock) -> list[BaseRoute]:
    """What is there. `operator`: the tenant of those who run the server."""

    def wanted(request: Request) -> Wanted:
        query = request.query_params
        asked = Which(
            reason=query.get("reason", ""),
            source=query.get("source", ""),
            since=query.get("since", ""),
            after=query.get("after", ""),
        )
        return _wanted(request, asked, operator, clock)

    async def letters(request: Request) -> Response:
        most = _number(request, "limit", _USUAL_LISTED, limits.DEAD_LETTERS_LISTED)
        chosen = await desk.choose(wanted(request), most)
        listed = [item(one) for one in chosen.letters]
        return _json(
            {
                "letters": listed,
                "count": chosen.count,
                "rows": chosen.rows,
                "stored_bytes": chosen.stored_bytes,
                "next": listed[-1].id if chosen.more else "",
            }
        )

    async def read(request: Request) -> tuple[Kept, Letter, bytes] | None:
        id_ = _id(request.path_params["id"])
        whose = _wanted(request, Which(ids=[id_text(id_)]), operator, clock)
        chosen = await desk.choose(whose, 1)
        return (chosen.letters[0], *await desk.read(chosen.letters[0])) if chosen.letters else None

    async def letter(request: Request) -> Response:
        if request.path_params["id"] in _CHANGES:
            return _json({"error": "only POST", "reason": "method"}, 405, Allow="POST")
        most = limits.DEAD_LETTER_SHOWN_BYTES
        most = _number(request, "bytes", _USUAL_SHOWN_BYTES, most)
        if (found := await read(request)) is None:
            return _no_letter()
        return _json(_detail(*found, most))

    async def payload(request: Request) -> Response:
        if (found := await read(request)) is None:
            return _no_letter()
        return Response(found[2], media_type="application/octet-stream", headers=_HEADERS)

    return [
        Route("/api/v1/deadletters", _answered(letters)),
        Route("/api/v1/deadletters/{id}", _answered(letter)),
        Route("/api/v1/deadletters/{id}/payload", _answered(payload)),
    ]


def changing(desk: Desk, operator: str, clock: Clock) -> list[BaseRoute]:
    """For those who may change how the system is. To stand before `reading`: these are no ids."""

    async def asked(request: Request) -> tuple[Wanted, bool]:
        length = request.headers.get("content-length", "")
        if not (length.isdecimal() and len(length) < 9 and int(length) <= _BODY_BYTES):
            raise QueryError(f"the body must have a Content-Length of at most {_BODY_BYTES}")
        try:
            which = _which.decode(await request.body())
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise QueryError(f"the body is not as it has to be: {error}") from None
        if not (which.ids is not None or which.reason or which.source or which.since or which.all):
            raise QueryError('say which: "ids", "reason", "source", "since", or "all": true')
        return _wanted(request, which, operator, clock), which.dry

    async def replay(request: Request) -> Response:
        wanted, dry = await asked(request)
        return await _counted(wanted) if dry else _done(await desk.replay(wanted))

    async def drop(request: Request) -> Response:
        wanted, dry = await asked(request)
        return await _counted(wanted) if dry else _done(await desk.drop(wanted))

    async def _counted(wanted: Wanted) -> Response:
        chosen = await desk.choose(wanted, 0)
        return _json(
            {"count": chosen.count, "rows": chosen.rows, "stored_bytes": chosen.stored_bytes}
        )

    return [
        Route("/api/v1/deadletters/replay", _answered(replay), methods=["POST"]),
        Route("/api/v1/deadletters/drop", _answered(drop), methods=["POST"]),
    ]


def item(one: Kept) -> Item:
    """As it is listed."""
    return Item(
        id_text(one.id), "frame" if one.tenant else "bytes", one.buried_ns, one.reason,
        in_words(one.reason), one.tenant, one.source, one.epoch, one.seq, one.lane.value,
        one.signal.value, one.codec.value, one.service, one.rows, one.bytes, one.stored_bytes,
        one.first_ns, one.last_ns,
    )  # fmt: skip


def _detail(one: Kept, letter: Letter, payload: bytes, most: int) -> dict[str, object]:
    """With the header, and the beginning of what it holds: text, what is none as escapes."""
    header = letter.header
    expanded = beginning(payload, most + 1) if header is not None else None
    shown = payload[: most + 1] if expanded is None else expanded
    found = None if letter.found is None else id_text(letter.found)
    return {
        **msgspec.structs.asdict(item(one)),
        "header": None if header is None else msgspec.to_builtins(header),
        "found": found,
        "readable": letter.header is not None,
        "compressed": expanded is not None,
        "payload_bytes": len(payload),
        "text": shown[:most].decode("utf-8", "backslashreplace"),
        "cut": len(shown) > most,
    }


def _done(done: Done) -> Response:
    return _json(
        {
            "count": done.count,
            "rows": done.rows,
            "stored_bytes": done.stored_bytes,
            "failed": [{"id": id_text(id_), "why": why} for id_, why in done.failed],
            "next": id_text(done.upto) if done.more else "",
            "last": id_text(done.last),
            "busy": done.busy,
            "retry_after_s": done.retry_after_s,
        }
    )


def _wanted(request: Request, which: Which, operator: str, clock: Clock) -> Wanted:
    """Raises QueryError."""
    principal = principal_of(request.scope)
    start = Position(0, 0)
    return Wanted(
        tenant=principal.tenant,
        nobodys=principal.tenant == operator and Scope.ADMIN in principal.scopes,
        ids=None if which.ids is None else frozenset(map(_id, which.ids)),
        reason=which.reason,
        source=which.source,
        since_ns=parameters.since(which.since, clock.wall_ns()) if which.since else 0,
        after=_id(which.after) if which.after else start,
        last=_id(which.last) if which.last else None,
    )


def _id(text: str) -> Position:
    if (found := parse_id(text)) is None:
        raise QueryError(f"{text[:32]!r} is no id of a dead letter, which is such as 12-64")
    return found


def _number(request: Request, name: str, usual: int, largest: int) -> int:
    return parameters.number(name, request.query_params.get(name, str(usual)), largest)


def _answered(handle: _Answer) -> _Answer:
    """`handle`, with errors as answers: 400 for what is asked wrongly, 503 for what is not possible
    now."""

    async def answer(request: Request) -> Response:
        try:
            return await handle(request)
        except QueryError as error:
            return _json({"error": str(error), "reason": "parameter"}, 400)
        except Busy as error:
            wait_s = max(1, math.ceil(error.retry_after_s))
            return _json({"error": str(error), "reason": error.reason}, 503, Retry_After=wait_s)
        except (StoreError, OSError) as error:
            _log.error("dead letters cannot be dealt with", extra={"why": str(error)})
            said = {"error": "not possible just now; try again", "reason": "store"}
            return _json(said, 503, Retry_After=_STORE_S)

    return answer


_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def _no_letter() -> Response:
    return _json({"error": "there is no such dead letter", "reason": "letter"}, 404)


def _json(value: object, status: int = 200, **headers: object) -> Response:
    named = {name.replace("_", "-"): str(text) for name, text in headers.items()}
    body = msgspec.json.encode(value)
    return Response(body, status, media_type="application/json", headers=_HEADERS | named)
