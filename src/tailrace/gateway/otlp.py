"""/v1/logs: OTLP over HTTP, protobuf and JSON."""

from __future__ import annotations

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from starlette.requests import Request
from starlette.responses import Response

from tailrace.core.errors import Unsupported
from tailrace.core.frame import Frame
from tailrace.gateway.answers import json_answer
from tailrace.gateway.door import Door
from tailrace.wire import otlp
from tailrace.wire.otlpwalk import STATUS_CODES, encode_status

_PROTOBUF = "application/x-protobuf"


async def post_logs(door: Door, request: Request) -> Response:
    """200 with an ExportLogsServiceResponse in the encoding of the request."""
    kind = _kind(request)
    if kind not in (_PROTOBUF, "application/json"):
        raise Unsupported(f"Content-Type must be {_PROTOBUF} or application/json", "media_type")
    is_json = kind != _PROTOBUF
    async with door.bodies.read(request) as body:

        def take() -> list[Frame]:
            data = door.expand(request, body)
            content = otlp.decode_json(data) if is_json else otlp.decode_protobuf(data)
            return door.frames(content) if content else []

        await door.submit(await door.work(body, request, take))
    if is_json:
        return json_answer({})
    return Response(ExportLogsServiceResponse().SerializeToString(), media_type=_PROTOBUF)


def status_form(request: Request, status: int, message: str, reason: str) -> Response:
    """A google.rpc.Status, JSON for JSON and protobuf for anything else."""
    code = STATUS_CODES.get(status, 2)
    if _kind(request) == "application/json":
        return json_answer({"code": code, "message": message}, status)
    return Response(encode_status(code, message), status, media_type=_PROTOBUF)


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").split(";")[0].strip().lower()
