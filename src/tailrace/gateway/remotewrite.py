"""/api/v1/write: Prometheus remote write 1.0 and 2.0."""

from __future__ import annotations

from collections.abc import Callable
from email.message import Message

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from tailrace.core.errors import InputError, Unsupported
from tailrace.gateway.answers import text_form
from tailrace.gateway.door import Door
from tailrace.gateway.way import Way
from tailrace.wire import remotewrite, remotewrite2
from tailrace.wire.content import Content
from tailrace.wire.knownseries import KnownSeries
from tailrace.wire.remoteparts import Written

_PROTOBUF = "application/x-protobuf"
_V1, _V2 = "prometheus.WriteRequest", "io.prometheus.write.v2.Request"
# One for the process: what a series reads as is the same for every tenant.
_known = KnownSeries()


async def write(door: Door, request: Request) -> Response:
    """204 when all is stored. 400 when some of it cannot be; then the rest is stored.

    The account in the headers is 2.0's, and does no harm in an answer to 1.0.
    """
    decode = _decoder(request)
    found: list[Written] = []

    def contents(data: bytes) -> list[Content]:
        found.append(decode(data))
        return found[0].contents

    await door.take(request, contents, block=True)
    written = found[0]
    door.metrics.add_each("tailrace_ingest_refused_total", written.refused)
    headers = {
        "X-Prometheus-Remote-Write-Samples-Written": str(written.samples),
        "X-Prometheus-Remote-Write-Histograms-Written": str(written.histograms),
        "X-Prometheus-Remote-Write-Exemplars-Written": str(written.exemplars),
    }
    if not written.refused:
        return Response(status_code=204, headers=headers)
    door.metrics.add("tailrace_ingest_rejected_total", 1, "partial")
    taken = f"{written.samples} samples and {written.histograms} native histograms are stored"
    text = f"{taken}; {written.explain()}"
    return PlainTextResponse(text, InputError.status, headers=headers)


def _decoder(request: Request) -> Callable[[bytes], Written]:
    kind = Message()
    kind["content-type"] = request.headers.get("content-type", "")
    if kind.get_content_type() != _PROTOBUF:
        raise Unsupported(f"Content-Type must be {_PROTOBUF}", "media_type")
    proto = kind.get_param("proto", _V1)
    if proto == _V2:
        return remotewrite2.decode
    if proto == _V1:
        return lambda data: remotewrite.decode(data, _known)
    raise Unsupported(f"proto must be {_V1} or {_V2}", "media_type")


WAYS = (Way("prometheus", ("/api/v1/write",), write, text_form),)
