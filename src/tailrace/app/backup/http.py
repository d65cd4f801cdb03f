"""GET and POST /api/v1/backups."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from tailrace.app.backup.live import Backups
from tailrace.app.backup.making import Wanted
from tailrace.core import units
from tailrace.core.errors import Busy, ConfigError, QueryError, StoreError
from tailrace.core.units import Seconds
from tailrace.governance.answers import answered, json

_BODY_BYTES = 4096


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a POST. No `name`: the time; no `keep`: as `backup.keep` says, "0s" for ever."""

    name: str = ""
    keep: Seconds | None = None
    archive: bool = True
    full: bool = False


def routes(backups: Backups, keep_s: float) -> list[BaseRoute]:
    """What makes and lists them. `keep_s`: how long one is kept of which nobody says it."""

    async def listed(_request: Request) -> object:
        try:
            return {"backups": await backups.kept(), "last": backups.state()}
        except ConfigError as error:
            return json({"error": str(error), "reason": "backup"}, 409)
        except OSError as error:
            raise StoreError(f"backup.directory: {error.strerror}") from None

    async def begin(request: Request) -> object:
        asked = await _asked(request)
        keep = keep_s if asked.keep is None else float(asked.keep)
        try:
            state = backups.begin(Wanted(asked.name, keep, asked.archive, asked.full))
        except (ConfigError, Busy) as error:
            return json({"error": str(error), "reason": "backup"}, 409)
        return json(state, 202)

    return [
        Route("/api/v1/backups", answered(listed), methods=["GET"]),
        Route("/api/v1/backups", answered(begin), methods=["POST"]),
    ]


async def _asked(request: Request) -> Asked:
    """Raises QueryError for a body that is none of these."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _BODY_BYTES:
            raise QueryError(f"the body is longer than {_BODY_BYTES} bytes")
    try:
        return msgspec.convert(msgspec.json.decode(body or b"{}"), Asked, dec_hook=units.decode)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise QueryError(f"the body: {error}") from None
