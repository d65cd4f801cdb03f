"""POST /api/v1/pseudonyms: under which pseudonyms a value that somebody holds stands in the logs.
GET /api/v1/guard/audit: what the detectors of today find in what is stored.

The other way of the first does not exist: a pseudonym is not kept with its value anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tailrace.core import limits, log
from tailrace.core.access import principal_of
from tailrace.core.clock import Clock
from tailrace.core.errors import Busy, StoreError
from tailrace.core.keys import Keyring
from tailrace.core.units import Seconds
from tailrace.guard.audit import Audit
from tailrace.guard.cleaner import Cleaner
from tailrace.guard.normal import normalise
from tailrace.guard.pseudonyms import Pseudonyms

_log = log.get("guard")


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`value` as it is written anywhere: it is brought into the form that detectors give it."""

    kind: str
    value: Annotated[str, msgspec.Meta(min_length=1, max_length=limits.PSEUDONYM_VALUE_CHARS)]


class Known(msgspec.Struct, frozen=True):
    """What the value was called while the key of `epoch` was in use; `retired_ns` is 0 for now."""

    epoch: int
    pseudonym: str
    created_ns: int
    retired_ns: int


_AUDIT_ROWS = 20_000
_decoder = msgspec.json.Decoder(Question)


def routes(keyring: Keyring, kinds: Collection[str]) -> list[BaseRoute]:
    """For those who may have data forgotten. Neither value nor pseudonym is logged."""

    async def pseudonyms(request: Request) -> Response:
        length = request.headers.get("content-length", "")
        if not length.isdigit() or int(length) > limits.PSEUDONYM_BODY_BYTES:
            return _refused(
                f"body must have a Content-Length of at most {limits.PSEUDONYM_BODY_BYTES}"
            )
        try:
            asked = _decoder.decode(await request.body())
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return _refused('body must be {"kind": KIND, "value": TEXT}, and no longer')
        if asked.kind not in kinds:
            return _refused(f"kind must be one of {', '.join(sorted(kinds))}")
        tenant = principal_of(request.scope).tenant
        try:
            keys = await keyring.history(tenant, asked.kind)
        except StoreError as error:
            _log.error("keys cannot be read", extra={"why": str(error)})
            return _json({"error": "not readable just now; try again", "reason": "keys"}, 503)
        value = normalise(asked.kind, asked.value.encode())
        found = [
            Known(
                key.epoch,
                Pseudonyms(asked.kind, key.secret).of(value).decode(),
                key.created_ns,
                key.retired_ns,
            )
            for key in keys
        ]
        _log.info("pseudonyms were asked for", extra={"kind": asked.kind, "tenant": tenant})
        return _json({"kind": asked.kind, "pseudonyms": found})

    return [Route("/api/v1/pseudonyms", pseudonyms, methods=["POST"])]


def audit_routes(audit: Audit, cleaner: Callable[[], Cleaner], clock: Clock) -> list[BaseRoute]:
    """For those who see how the system is."""

    async def report(request: Request) -> Response:
        since, rows = request.query_params.get("since", "1d"), request.query_params.get("rows", "")
        try:
            since_ns = max(0, clock.wall_ns() - int(Seconds(since[:32]) * 1e9))
        except (ValueError, OverflowError):
            return _refused(f"since={since[:32]!r}: give a span such as 1d")
        rows = rows or str(_AUDIT_ROWS)
        if not (rows.isascii() and rows.isdigit() and 0 < int(rows[:9]) <= limits.AUDIT_ROWS):
            return _refused(f"rows={rows[:32]!r} is no number from 1 to {limits.AUDIT_ROWS}")
        tenant = principal_of(request.scope).tenant
        try:
            return _json(await audit.run(cleaner(), tenant, since_ns, int(rows)))
        except (StoreError, Busy) as error:
            _log.error("an audit could not be made", extra={"why": str(error)})
            return _json({"error": "cannot be made just now; try again", "reason": "store"}, 503)

    return [Route("/api/v1/guard/audit", report)]


def _refused(why: str) -> Response:
    return _json({"error": why, "reason": "parameter"}, 400)


def _json(value: object, status: int = 200) -> Response:
    return Response(
        msgspec.json.encode(value),
        status,
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
