"""/loki/api/v1/push."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from tailrace.gateway.answers import media_type, text_form
from tailrace.gateway.door import Door
from tailrace.gateway.way import Way
from tailrace.wire import loki


async def push(door: Door, request: Request) -> Response:
    """204 when stored. A media type of JSON is JSON; anything else is snappy protobuf."""
    is_json = media_type(request) == "application/json"
    decode = loki.decode_json if is_json else loki.decode_protobuf
    await door.take(request, lambda data: [decode(data)], block=not is_json)
    return Response(status_code=204)


WAYS = (Way("loki", ("/loki/api/v1/push",), push, text_form),)
