"""/loki/api/v1/push."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from tailrace.core.frame import Frame
from tailrace.gateway.door import Door
from tailrace.wire import loki


async def push(door: Door, request: Request) -> Response:
    """204 when stored. A media type of JSON is JSON; anything else is snappy protobuf."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    is_json = kind == "application/json"
    async with door.bodies.read(request) as body:

        def take() -> list[Frame]:
            data = door.expand(request, body)
            return door.frames(loki.decode_json(data) if is_json else loki.decode_protobuf(data))

        await door.submit(await door.work(body, request, take))
    return Response(status_code=204)
