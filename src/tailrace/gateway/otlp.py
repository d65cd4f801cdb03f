"""/v1/logs: OTLP over HTTP, protobuf and JSON."""

from __future__ import annotations

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from starlette.requests import Request
from starlette.responses import Response

from tailrace.core.errors import Unsupported
from tailrace.gateway.answers import json_answer, media_type
from tailrace.gateway.door import Door
from tailrace.gateway.way import Way
from tailrace.wire import otlp
from tailrace.wire.otlpwalk import STATUS_CODES, encode_status

_PROTOBUF = "application/x-protobuf"


async def post_logs(door: Door, request: Request) -> Response:
    """200 with an ExportLogsServiceResponse in the encoding of the request."""
    kind = media_type(request)
    if kind not in (_PROTOBUF, "application/json"):
        raise Unsupported(f"Content-Type must be {_PROTOBUF} or application/json", "media_type")
    is_json = kind != _PROTOBUF
    decode = otlp.decode_json if is_json else otlp.decode_protobuf
    await door.take(request, lambda data: [content] if (content := decode(data)) else [])
    if is_json:
        return json_answer({})
    return Response(ExportLogsServiceResponse().SerializeToString(), media_type=_PROTOBUF)


def status_form(request: Request, status: int, message: str, reason: str) -> Response:
    """A google.rpc.Status, JSON for JSON and protobuf for anything else."""
    code = STATUS_CODES.get(status, 2)
    if media_type(request) == "application/json":
        return json_answer({"code": code, "message": message}, status)
    return Response(encode_status(code, message), status, media_type=_PROTOBUF)


WAYS = (Way("otlp", ("/v1/logs", "/otlp/v1/logs"), post_logs, status_form),)
