"""Splunk's HTTP Event Collector: events, raw lines, acknowledgements, health."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tailrace.core import limits
from tailrace.core.errors import TooLarge
from tailrace.gateway.answers import json_answer
from tailrace.gateway.door import Door
from tailrace.gateway.way import Take, Way
from tailrace.wire import splunk
from tailrace.wire.splunk import ORIGIN, TEXTS, Refused

BASE = "/services/collector"


class Acknowledgements:
    """Numbers for requests that are durable; nothing else is ever given one.

    So every number up to now is of such a request, also one that another process gave, and nothing
    has to be remembered. They count up from the time, in microseconds, and never repeat.
    """

    def __init__(self) -> None:
        self._last = 0

    def give(self, now_ns: int) -> int:
        self._last = max(self._last + 1, now_ns // 1_000)
        return self._last

    def given(self, number: int, now_ns: int) -> bool:
        return 0 <= number <= max(self._last, now_ns // 1_000)


_acknowledgements = Acknowledgements()


class _Asked(msgspec.Struct):
    acks: list[int]


_asked = msgspec.json.Decoder(_Asked)


def _noted(take: Take) -> Take:
    """Leaves what was refused with the request, for the form of the answer."""

    async def noted(door: Door, request: Request) -> Response:
        try:
            return await take(door, request)
        except Refused as error:
            request.state.refused = error
            raise

    return noted


@_noted
async def post_events(door: Door, request: Request) -> Response:
    """200 when every event is durable; none is kept when one is refused."""
    if request.method == "OPTIONS":  # Docker's driver looks whether somebody is there
        return Response()
    channel, origin = _channel(request), _origin(request)
    now_ns = door.clock.wall_ns()
    await door.take(request, lambda data: splunk.decode(data, origin, now_ns))
    return _taken(door, channel)


@_noted
async def post_raw(door: Door, request: Request) -> Response:
    """The same for lines."""
    if request.method == "OPTIONS":
        return Response()
    channel, origin = _channel(request), _origin(request)
    time = request.query_params.get("time", "")
    await door.take(request, lambda data: [splunk.decode_raw(data, origin, time)])
    return _taken(door, channel)


@_noted
async def post_acks(door: Door, request: Request) -> Response:
    """Whether the requests of these numbers are durable."""
    if not _channel(request):
        raise Refused(splunk.NO_CHANNEL)
    async with door.bodies.read(request) as body:
        try:
            asked = _asked.decode(door.expand(request, body))
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise Refused(splunk.BAD_DATA, None, "acks must be a list of numbers") from error
    if len(asked.acks) > limits.ACKS_PER_REQUEST:
        raise TooLarge(f"more than {limits.ACKS_PER_REQUEST} numbers; ask in parts", "acks")
    now_ns = door.clock.wall_ns()
    found = {str(number): _acknowledgements.given(number, now_ns) for number in asked.acks}
    return json_answer({"acks": found})


async def health(door: Door, request: Request) -> Response:
    """200 while events can be taken, else 503."""
    if door.ready():
        return _said(splunk.HEALTHY)
    return _said(splunk.UNHEALTHY, 503)


def error_form(request: Request, status: int, message: str, reason: str) -> Response:
    """Splunk's text and code; `detail` is for people."""
    refused: Refused | None = getattr(request.state, "refused", None)
    if status in (401, 403):
        return _stranger(request, status, message)
    if refused is None:
        code = splunk.BUSY if status in (429, 503) else splunk.BAD_DATA
        return _said(code, status, detail=message)
    number = {} if refused.event is None else {"invalid-event-number": refused.event}
    return _said(refused.code, status, **number, detail=message)


def _stranger(request: Request, status: int, message: str) -> Response:
    """No token, one in a form that is not understood, or one that is not known or not for this."""
    scheme = request.headers.get("authorization", "").partition(" ")[0].lower()
    if status == 401 and not scheme:
        return _said(splunk.NO_TOKEN, 401, detail=message)
    if scheme in ("splunk", "basic", "bearer"):
        return _said(splunk.BAD_TOKEN, 403, detail=message)
    return _said(splunk.BAD_AUTHORIZATION, 401, detail=message)


def _said(code: int, status: int = 200, **more: Any) -> Response:
    return json_answer({"text": TEXTS[code], "code": code, **more}, status)


def _taken(door: Door, channel: str) -> Response:
    if not channel:
        return _said(splunk.SUCCESS)
    return _said(splunk.SUCCESS, ackId=_acknowledgements.give(door.clock.wall_ns()))


def _channel(request: Request) -> str:
    """What a client that wants acknowledgements names its connection; "" when it wants none."""
    channel = request.headers.get("x-splunk-request-channel") or request.query_params.get("channel")
    if channel and not (len(channel) <= limits.CHANNEL_CHARS and channel.isprintable()):
        raise Refused(splunk.BAD_CHANNEL)
    return channel or ""


def _origin(request: Request) -> dict[str, str]:
    """What the request's parameters say of all events, by the names of resources."""
    found = {name: request.query_params.get(key, "") for key, name in ORIGIN.items()}
    for value in found.values():
        if len(value) > limits.LABEL_VALUE_BYTES // 4 or "\0" in value:
            raise Refused(splunk.BAD_DATA, None, "a query parameter is too long")
    return {name: value for name, value in found.items() if value}


def _paths(name: str) -> tuple[str, ...]:
    return (f"{BASE}/{name}", f"{BASE}/{name}/1.0")


_SENT = ("POST", "OPTIONS")
WAYS = (
    Way("splunk", (BASE, *_paths("event")), post_events, error_form, _SENT),
    Way("splunk", _paths("raw"), post_raw, error_form, _SENT),
    Way("splunk_ack", (f"{BASE}/ack",), post_acks, error_form),
    Way("splunk_health", _paths("health"), health, error_form, ("GET",)),
)
