"""GET /api/v1/findings and /api/v1/findings/{id}."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from tailrace.core import limits
from tailrace.core.clock import Clock
from tailrace.core.errors import QueryError
from tailrace.core.finding import Item
from tailrace.core.visible import visible
from tailrace.governance.answers import answered, json, limit, since, tenant
from tailrace.governance.findings.book import Book
from tailrace.governance.findings.known import Known, Wanted

USUAL_SINCE = "24h"
LARGEST_LIMIT = limits.FINDING_PLACES
_ALERTING = {"": None, "true": True, "false": False}


class Hour(msgspec.Struct, frozen=True):
    """Hits in the hour that began at `start`."""

    start: str
    hits: int


class Detail(Item, frozen=True, kw_only=True):
    """The same with its hours that had hits, the oldest first."""

    hours: list[Hour]


def routes(book: Book, clock: Clock) -> list[BaseRoute]:
    """What `book` has of the credential's tenant, for people and machines."""

    def item(one: Known) -> Item:
        place, finding = one.finding.place, one.finding
        return Item(
            id=one.id,
            service=place.service,
            version=place.version,
            environment=place.environment,
            detector=place.detector,
            title=book.title(one),
            field=place.field,
            code=place.code,
            action=place.action,
            hits=finding.hits,
            hits_last_hour=one.hits_last_hour,
            first_seen=_time(finding.first_ns),
            last_seen=_time(finding.last_ns),
            alerting=one.alerted_ns > 0,
            sentence=book.sentence(one, clock.wall_ns()),
        )

    async def findings(request: Request) -> object:
        wanted, most = _wanted(request, clock.wall_ns()), limit(request, LARGEST_LIMIT)
        found = await book.listed(tenant(request), wanted, most + 1)
        listed, room = [], limits.FINDING_ANSWER_BYTES
        for one in found[:most]:
            encoded = msgspec.json.encode(item(one))
            room -= len(encoded)
            if room < 0:
                break
            listed.append(msgspec.Raw(encoded))
        return {"findings": listed, "truncated": len(listed) < len(found)}

    async def finding(request: Request) -> object:
        found = await book.one(tenant(request), _text(request.path_params["id"], "id"))
        if found is None:
            return json({"error": "there is no such finding", "reason": "finding"}, 404)
        one, hours = found
        listed = [Hour(_time(start_ns), hits) for start_ns, hits in hours.items()]
        return Detail(**msgspec.structs.asdict(item(one)), hours=listed)

    return [
        Route("/api/v1/findings", answered(findings)),
        Route("/api/v1/findings/{id}", answered(finding)),
    ]


def _wanted(request: Request, now_ns: int) -> Wanted:
    asked = request.query_params
    alerting = asked.get("alerting", "")
    if alerting not in _ALERTING:
        raise QueryError("alerting: give true, false, or leave it out")
    names = ("service", "detector", "environment")
    equal = {name: _text(asked.get(name, ""), name) for name in names}
    return Wanted(since(request, USUAL_SINCE, now_ns), **equal, alerting=_ALERTING[alerting])


def _text(text: str, name: str) -> str:
    """What a stored text may be equal to. Not repeated in the error: it may be anything."""
    if len(text) > limits.FINDING_NAME_CHARS or visible(text) != text:
        most = limits.FINDING_NAME_CHARS
        raise QueryError(f"{name}: at most {most} characters, and none that cannot be seen")
    return text


def _time(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns // 10**9, UTC):%Y-%m-%dT%H:%M:%SZ}"
