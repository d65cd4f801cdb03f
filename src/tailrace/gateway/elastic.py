"""Elasticsearch: `_bulk`. What else its clients ask is in elasticsetup.py."""

from __future__ import annotations

import re
import secrets

from starlette.requests import Request
from starlette.responses import Response

from tailrace.gateway.answers import json_answer
from tailrace.gateway.door import Door
from tailrace.gateway.way import Way
from tailrace.wire import elastic
from tailrace.wire.content import Content
from tailrace.wire.elasticitems import answer

# Clients refuse to speak with a server that does not say this of itself.
PRODUCT = {"X-Elastic-Product": "Elasticsearch"}
_COMPATIBLE = re.compile(r"application/vnd\.elasticsearch\+json; ?compatible-with=[789]")
_ERRORS = {
    413: "content_too_long_exception",
    415: "media_type_header_exception",
    429: "es_rejected_execution_exception",
    503: "es_rejected_execution_exception",
}


async def bulk(door: Door, request: Request) -> Response:
    """200 with an item for each action, once the documents without an error are durable."""
    index = request.path_params.get("index", "")
    started_s = door.clock.monotonic_s()
    items: list[elastic.Item] = []

    def decode(data: bytes) -> list[Content]:
        found = elastic.decode(data, index)
        items.extend(found.items)
        return [found.content] if found.content else []

    await door.take(request, decode)
    took_ms = int((door.clock.monotonic_s() - started_s) * 1000)
    only = request.query_params.get("filter_path", "")
    return said(request, answer(items, took_ms, secrets.token_urlsafe(12), only))


def said(request: Request, body: bytes, status: int = 200) -> Response:
    """An answer in the media type that the client asked for."""
    asked = _COMPATIBLE.search(request.headers.get("accept", ""))
    kind = asked[0] if asked else "application/json"
    return Response(body, status, {**PRODUCT, "Content-Type": kind})


def error_form(request: Request, status: int, message: str, reason: str) -> Response:
    """Errors as Elasticsearch says them; `error.reason` is for people."""
    cause = {"type": _ERRORS.get(status, "illegal_argument_exception"), "reason": message}
    body = {"error": {"root_cause": [cause], **cause}, "status": status}
    found = json_answer(body, status)
    found.headers.update(PRODUCT)
    return found


BULK = Way(
    "elastic",
    # A slash behind is Fluent Bit's, when it names a pipeline.
    ("/_bulk", "/_bulk/", "/{index}/_bulk", "/{index}/_bulk/", "/{index}/{type}/_bulk"),
    bulk,
    error_form,
    ("POST", "PUT"),
)
