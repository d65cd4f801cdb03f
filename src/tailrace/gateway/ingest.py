"""/ingest/lines, /ingest/records and /ingest/frames."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tailrace.core import limits
from tailrace.core.access import Scope, principal_of, tenant_of
from tailrace.core.errors import InputError
from tailrace.core.frame import Frame
from tailrace.gateway import numbering
from tailrace.gateway.answers import json_answer, json_form
from tailrace.gateway.door import Delivered, Door
from tailrace.gateway.relayed import relayed
from tailrace.gateway.way import Way
from tailrace.wire import frames, hints, lines, records
from tailrace.wire.content import Content

_RESOURCE = {"service": "service.name", "host": "host.name", "env": "deployment.environment"}
_KEY_CHARACTERS = 256


async def post_lines(door: Door, request: Request) -> Response:
    """Raw text lines. 200 with {"accepted": rows, "repaired": {reason: count}}, and "diverted" rows
    where a limit sent some the bulk lane."""
    resource = _resource(_parameters(request, _RESOURCE))
    return await _post(door, request, partial(lines.decode, resource=resource))


async def post_records(door: Door, request: Request) -> Response:
    """NDJSON, or a JSON array, with decoding hints as query parameters. Answers like lines."""
    parameters = _parameters(request, {*_RESOURCE, *hints.PARAMETERS})
    decode = partial(
        records.decode, hints=hints.from_parameters(parameters), resource=_resource(parameters)
    )
    return await _post(door, request, decode)


async def post_frames(door: Door, request: Request) -> Response:
    """The agent's frames, all or none. The tenant is the credential's, whatever they say, but for
    a gateway that relays."""
    _parameters(request, ())
    async with door.bodies.read(request) as body:
        now = door.clock.wall_ns()

        def take() -> list[Frame]:
            found = frames.decode(door.expand(request, body), most_bytes=_most(request))
            stamped = [_stamped(frame, request.scope, now) for frame in found]
            return [piece for frame in stamped for piece in relayed(frame, door.metrics)]

        taken = await door.work(body, request, take)
        delivered = await door.deliver(taken)
    return _answer(delivered, {})


async def _post(door: Door, request: Request, decode: Callable[[bytes], Content]) -> Response:
    identify = _identify(request)
    tenant = principal_of(request.scope).tenant
    zstd = request.headers.get("content-encoding", "").strip().lower() == "zstd"
    async with door.bodies.read(request) as body:

        def take() -> tuple[Content, list[Frame]]:
            data = door.expand(request, body)
            content = decode(data)
            same = zstd and content.data is data
            return content, door.frames(content, tenant, identify, body if same else b"")

        content, found = await door.work(body, request, take)
        repaired = content.repaired
        del content  # the rows need not be held while the sink works
        delivered = await door.deliver(found)
    return _answer(delivered, repaired)


def _answer(delivered: Delivered, repaired: dict[str, int]) -> Response:
    said: dict[str, object] = {"accepted": delivered.rows, "repaired": repaired}
    if delivered.diverted:
        said["diverted"] = delivered.diverted
    return json_answer(said)


def _identify(request: Request) -> Callable[[int], numbering.Identity] | None:
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 0 < len(key) <= _KEY_CHARACTERS:
        raise InputError(f"Idempotency-Key must be 1 to {_KEY_CHARACTERS} characters", "header")
    return partial(numbering.of_key, key)


def _most(request: Request) -> int:
    """Bytes of one frame: what a gateway has guarded may have grown."""
    relays = Scope.RELAY in principal_of(request.scope).scopes
    return limits.GUARDED_BYTES if relays else limits.FRAME_BYTES


def _stamped(frame: Frame, scope: Mapping[str, Any], now_ns: int) -> Frame:
    """The agent's ingest time stands unless it is missing or in the future."""
    received_ns = frame.header.received_ns
    relays = Scope.RELAY in principal_of(scope).scopes
    header = msgspec.structs.replace(
        frame.header,
        guarded=frame.header.guarded if relays else 0,
        diverted=frame.header.diverted and relays,
        tenant=tenant_of(scope, frame.header.tenant),
        received_ns=received_ns if 0 < received_ns <= now_ns else now_ns,
    )
    return Frame(header, frame.payload)


def _parameters(request: Request, known: Collection[str]) -> dict[str, str]:
    for name in request.query_params:
        if name not in known:
            choice = ", ".join(sorted(known)) or "none"
            raise InputError(
                f"unknown query parameter {name[:64]!r}; known are: {choice}", "parameter"
            )
    return dict(request.query_params)


def _resource(parameters: dict[str, str]) -> dict[str, str]:
    found = {_RESOURCE[name]: value for name, value in parameters.items() if name in _RESOURCE}
    for name, value in found.items():
        if len(value.encode(errors="replace")) > limits.LABEL_VALUE_BYTES or "\0" in value:
            raise InputError(
                f"query parameter for {name} must be text of at most "
                f"{limits.LABEL_VALUE_BYTES} bytes",
                "parameter",
            )
    return {name: value for name, value in found.items() if value}


WAYS = (
    Way("lines", ("/ingest/lines",), post_lines, json_form),
    Way("records", ("/ingest/records",), post_records, json_form),
    Way("frames", ("/ingest/frames",), post_frames, json_form),
)
