"""Alertmanager's endpoints of silences, as amtool and Grafana ask them.

    GET     /api/v2/silences?filter=MATCHER     those of the tenant, the active ones first
    POST    /api/v2/silences                    begins one, or changes the one with its `id`
    GET     /api/v2/silence/{id}
    DELETE  /api/v2/silence/{id}                ends it; 200 too when it was over already

Source: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml. As there, a filter
wants a silence to have that very matcher, and a silence that cannot become what is asked for ends
while another one begins: one with other matchers or another start, and one that is over.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import uuid4

import msgspec
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tailrace.alerts.delivery import matching
from tailrace.alerts.http.alertmanagerforms import PREFIX, answer, answered, filters
from tailrace.core import limits
from tailrace.core.access import principal_of
from tailrace.core.alerting import AlertStore, Matcher, Silence
from tailrace.core.clock import Clock
from tailrace.core.errors import InputError, TooLarge, Unsupported
from tailrace.query.times import rfc3339

_OPS = {(False, True): "=", (False, False): "!=", (True, True): "=~", (True, False): "!~"}
_KINDS = {op: kind for kind, op in _OPS.items()}
_ORDER = ("active", "pending", "expired")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_NS = 2**63 - 1
_S = 1_000_000_000
# What a silence of SILENCE_CHARS takes in JSON, every character as an escape.
_BODY_BYTES = 12 * limits.SILENCE_CHARS
_Time = Annotated[datetime, msgspec.Meta(tz=True)]


class _AskedMatcher(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    value: str
    is_regex: bool
    is_equal: bool | None = True


class _Asked(msgspec.Struct, frozen=True, rename="camel"):
    """The body of a POST."""

    matchers: list[_AskedMatcher]
    starts_at: _Time
    ends_at: _Time
    created_by: str
    comment: str
    id: str | None = ""


class SilenceRoutes:
    """Over the silences of a store. `changed` is told of each that is otherwise now."""

    def __init__(self, store: AlertStore, changed: Callable[[Silence], None], clock: Clock) -> None:
        self._store = store
        self._changed = changed
        self._clock = clock

    def reading(self) -> list[BaseRoute]:
        """For those who may ask."""
        return [
            Route(f"{PREFIX}/silences", answered(self._all), methods=["GET"]),
            Route(f"{PREFIX}/silence/{{id}}", answered(self._one), methods=["GET"]),
        ]

    def changing(self) -> list[BaseRoute]:
        """For those who may silence alerts."""
        return [
            Route(f"{PREFIX}/silences", answered(self._post), methods=["POST"]),
            Route(f"{PREFIX}/silence/{{id}}", answered(self._end), methods=["DELETE"]),
        ]

    async def _all(self, request: Request) -> Response:
        wanted, now_ns = set(filters(request)), self._clock.wall_ns()
        known = await self._store.silences(principal_of(request.scope).tenant)
        found = [one for one in known if wanted <= set(one.matchers)]
        found.sort(key=lambda one: _rank(one, now_ns))
        return answer([_shown(one, now_ns) for one in found])

    async def _one(self, request: Request) -> Response:
        found = await self._known(request, request.path_params["id"])
        return answer(_shown(found, self._clock.wall_ns())) if found else _unknown()

    async def _post(self, request: Request) -> Response:
        asked, now_ns = await _asked(request), self._clock.wall_ns()
        before = await self._known(request, asked.id) if asked.id else None
        if asked.id and before is None:
            return _unknown()
        wanted = _silence(asked, principal_of(request.scope).tenant, now_ns)
        if before and _may_become(before, wanted, now_ns):
            kept = replace(wanted, id=before.id, starts_ns=_start(before, wanted))
            await self._put(kept)
            return answer({"silenceID": kept.id})
        kept = replace(wanted, id=str(uuid4()), starts_ns=max(wanted.starts_ns, now_ns))
        await self._put(kept)
        # Only then, so that at no time neither of the two holds.
        if before and state(before, now_ns) != "expired":
            await self._put(_ended(before, now_ns))
        return answer({"silenceID": kept.id})

    async def _end(self, request: Request) -> Response:
        found, now_ns = await self._known(request, request.path_params["id"]), self._clock.wall_ns()
        if found is None:
            return _unknown()
        if state(found, now_ns) != "expired":
            await self._put(_ended(found, now_ns))
        return Response()

    async def _known(self, request: Request, name: str) -> Silence | None:
        known = await self._store.silences(principal_of(request.scope).tenant)
        return next((one for one in known if one.id == name), None)

    async def _put(self, silence: Silence) -> None:
        await self._store.silence(silence)
        self._changed(silence)


def state(one: Silence, now_ns: int) -> str:
    """active, pending or expired."""
    if one.ends_ns <= now_ns:
        return "expired"
    return "active" if one.starts_ns <= now_ns else "pending"


def _rank(one: Silence, now_ns: int) -> tuple[int, int]:
    """Active ones by their end, those to come by their start, the last that ended first."""
    found = state(one, now_ns)
    by = {"active": one.ends_ns, "pending": one.starts_ns, "expired": -one.ends_ns}
    return _ORDER.index(found), by[found]


def _may_become(before: Silence, wanted: Silence, now_ns: int) -> bool:
    if before.matchers != wanted.matchers:
        return False
    if state(before, now_ns) == "pending":
        return wanted.starts_ns >= now_ns
    return state(before, now_ns) == "active" and _start(before, wanted) == before.starts_ns


def _start(before: Silence, wanted: Silence) -> int:
    """Clients give a start back with fewer digits than it has."""
    same = before.starts_ns // _S == wanted.starts_ns // _S
    return before.starts_ns if same else wanted.starts_ns


def _ended(one: Silence, now_ns: int) -> Silence:
    return replace(one, starts_ns=min(one.starts_ns, now_ns), ends_ns=now_ns, updated_ns=now_ns)


async def _asked(request: Request) -> _Asked:
    """Raises InputError. What is not said to be JSON any page in a browser may post."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Unsupported("post a silence as application/json", "media_type")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _BODY_BYTES:
            raise TooLarge(f"a silence has at most {_BODY_BYTES} bytes")
    try:
        return msgspec.json.decode(bytes(body), type=_Asked)
    except msgspec.DecodeError as error:
        raise InputError(f"that is no silence: {error}") from None


def _silence(asked: _Asked, tenant: str, now_ns: int) -> Silence:
    """Without an id. Raises InputError."""
    starts_ns, ends_ns = _ns(asked.starts_at), _ns(asked.ends_at)
    if starts_ns >= ends_ns:
        raise InputError("startsAt must be before endsAt", "silence")
    if ends_ns < now_ns:
        raise InputError("endsAt must not be in the past", "silence")
    matchers = _matchers(asked)
    words = (asked.created_by, asked.comment)
    return Silence("", tenant, matchers, starts_ns, ends_ns, *words, now_ns)


def _matchers(asked: _Asked) -> tuple[Matcher, ...]:
    found = tuple(
        Matcher(one.name, _OPS[one.is_regex, one.is_equal is not False], one.value)
        for one in asked.matchers
    )
    if not all(one.name for one in found):
        raise InputError("a matcher needs the name of a label", "silence")
    try:
        everything = matching.predicate(found)({})
    except ValueError as error:
        raise InputError(str(error), "silence") from None
    if everything:
        raise InputError("one matcher at least must not match an empty label", "silence")
    return found


def _ns(at: datetime) -> int:
    return max(0, min((at - _EPOCH) // timedelta(microseconds=1) * 1_000, _LAST_NS))


def _shown(one: Silence, now_ns: int) -> dict[str, Any]:
    kinds = [(m, *_KINDS[m.op]) for m in one.matchers]
    return {
        "id": one.id,
        "status": {"state": state(one, now_ns)},
        "updatedAt": rfc3339(one.updated_ns),
        "startsAt": rfc3339(one.starts_ns),
        "endsAt": rfc3339(one.ends_ns),
        "createdBy": one.author,
        "comment": one.comment,
        "matchers": [
            {"name": m.name, "value": m.value, "isRegex": regex, "isEqual": equal}
            for m, regex, equal in kinds
        ],
    }


def _unknown() -> Response:
    return answer("there is no such silence", 404)
