"""Every route of the gateway."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from tailrace.core.contracts import Registry
from tailrace.core.fleet import PATH
from tailrace.gateway import ingest, loki, otlp
from tailrace.gateway.answers import Form, answered, json_form, text_form
from tailrace.gateway.door import Door
from tailrace.gateway.fleet import Announcements

_Take = Callable[[Door, Request], Awaitable[Response]]


def routes(door: Door, registry: Registry | None = None) -> list[BaseRoute]:
    """Routes that feed `door`; success is answered only after its sink accepted.

    Agents are heard when there is a `registry`.
    """
    posts: list[tuple[str, _Take, Form, str]] = [
        ("/ingest/lines", ingest.post_lines, json_form, "lines"),
        ("/ingest/records", ingest.post_records, json_form, "records"),
        ("/ingest/frames", ingest.post_frames, json_form, "frames"),
        ("/loki/api/v1/push", loki.push, text_form, "loki"),
        ("/v1/logs", otlp.post_logs, otlp.status_form, "otlp"),
    ]
    if registry:
        posts.append((PATH, Announcements(registry).post, json_form, "announce"))
    found: list[BaseRoute] = [
        Route(path, answered(door, partial(take, door), form, kind), methods=["POST"])
        for path, take, form, kind in posts
    ]

    async def ready(request: Request) -> Response:
        if door.ready():
            return PlainTextResponse("ready\n")
        return PlainTextResponse("not ready\n", 503, headers={"Retry-After": "1"})

    async def health(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    return [*found, Route("/ready", ready), Route("/health", health)]
