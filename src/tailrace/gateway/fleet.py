"""POST /agents/announce: an agent says how it is."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tailrace.core import limits
from tailrace.core.access import tenant_of
from tailrace.core.budget import ByteBudget
from tailrace.core.contracts import Registry
from tailrace.core.errors import Busy, InputError, StoreError
from tailrace.core.fleet import TENANT_HEADER, Announcement, Confirmed
from tailrace.core.log import get
from tailrace.gateway.answers import json_answer
from tailrace.gateway.body import BodyReader
from tailrace.gateway.door import Door
from tailrace.wire import encoding

_log = get("gateway")
_decoder = msgspec.json.Decoder(Announcement)


class Announcements:
    """Takes announcements to `registry`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._bodies = BodyReader(
            ByteBudget(limits.ANNOUNCEMENTS_BYTES), limits.ANNOUNCEMENT_BYTES, limits.BODY_S
        )

    async def post(self, door: Door, request: Request) -> Response:
        """200 with {"confirmed_losses": n} when the announcement is kept."""
        async with self._bodies.read(request) as body:
            encoded = request.headers.get("content-encoding", "")
            said = decode(encoding.expand(body, encoded, limits.ANNOUNCEMENT_BYTES))
        tenant = tenant_of(request.scope, request.headers.get(TENANT_HEADER, ""))
        try:
            confirmed = await self._registry.announce(tenant, said)
        except StoreError as error:
            _log.error("an announcement cannot be kept", extra={"why": str(error)})
            raise Busy("announcements cannot be kept just now; try again", 15.0) from None
        return json_answer(Confirmed(confirmed))


def decode(body: bytes) -> Announcement:
    """Raises InputError ("announcement") that names the field."""
    try:
        said = _decoder.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise InputError(f"body is no announcement: {error}", "announcement") from None
    texts = [said.source, said.host]
    texts += [loss.source for loss in said.losses] + [one.source for one in said.settled]
    if not all(text.isprintable() for text in texts):
        raise InputError("source and host must be printable", "announcement")
    if any(loss.last_seq < loss.first_seq for loss in said.losses):
        raise InputError("a loss ends before it begins: last_seq < first_seq", "announcement")
    if any(max(one.from_seq, one.before_seq) > one.next_seq for one in said.settled):
        raise InputError(
            "settled before it is numbered: from_seq or before_seq > next_seq", "announcement"
        )
    return said
