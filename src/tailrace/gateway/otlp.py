"""/v1/logs, /v1/metrics and /v1/traces: OTLP over HTTP, protobuf and JSON."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from tailrace.core.errors import Unsupported
from tailrace.core.metrics import Metrics
from tailrace.gateway.answers import Form, json_answer, media_type
from tailrace.gateway.door import Door
from tailrace.gateway.way import Way
from tailrace.wire.content import Content
from tailrace.wire.otlp import answers
from tailrace.wire.otlp.signals import KINDS, Decode

_PROTOBUF = ("application/x-protobuf", "application/protobuf")
_JSON = "application/json"


class Reading:
    """Gives the door what `decode` keeps of a body, and remembers what it left out."""

    def __init__(self, decode: Decode, metrics: Metrics) -> None:
        self._decode = decode
        self._metrics = metrics
        self.rejected = 0
        self.message = ""

    def __call__(self, data: bytes) -> list[Content]:
        found = self._decode(data)
        self.rejected, self.message = found.rejected, found.message
        self._metrics.add_each("tailrace_ingest_refused_total", found.reasons)
        return [found.content] if found.content else []


async def post(signal: str, door: Door, request: Request) -> Response:
    """200 with an Export*ServiceResponse in the encoding of the request."""
    kind = media_type(request)
    if kind not in (*_PROTOBUF, _JSON):
        raise Unsupported(f"Content-Type must be {_PROTOBUF[0]} or {_JSON}", "media_type")
    decode = KINDS[signal].json if kind == _JSON else KINDS[signal].protobuf
    reading = Reading(decode, door.metrics)
    await door.take(request, reading)
    if kind == _JSON:
        answer = answers.json_success(signal, reading.rejected, reading.message)
    else:
        answer = answers.encode_success(reading.rejected, reading.message)
    return Response(answer, media_type=kind)


def status_form(request: Request, status: int, message: str, reason: str) -> Response:
    """A google.rpc.Status, JSON for JSON and protobuf for anything else."""
    code = answers.status_code(status)
    if media_type(request) == _JSON:
        return json_answer({"code": code, "message": message}, status)
    return Response(answers.encode_status(code, message), status, media_type=_PROTOBUF[0])


def _way(signal: str, form: Form = status_form) -> Way:
    paths = (f"/v1/{signal}", f"/otlp/v1/{signal}")
    return Way("otlp", paths, partial(post, signal), form)


WAYS = tuple(map(_way, KINDS))
