"""Every route of the gateway."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from tailrace.core.contracts import Registry
from tailrace.core.fleet import PATH
from tailrace.gateway import elasticsetup, ingest, loki, otlp, remotewrite, splunk
from tailrace.gateway.answers import json_form
from tailrace.gateway.door import Door
from tailrace.gateway.fleet import Announcements
from tailrace.gateway.way import Way

# By the name of the protocol, as a door of its own is configured.
WAYS: dict[str, tuple[Way, ...]] = {
    "tailrace": ingest.WAYS,
    "loki": loki.WAYS,
    "otlp": otlp.WAYS,
    "prometheus": remotewrite.WAYS,
    "elasticsearch": elasticsetup.WAYS,
    "splunk": splunk.WAYS,
}


def routes(
    door: Door, registry: Registry | None = None, protocols: tuple[str, ...] = tuple(WAYS)
) -> list[BaseRoute]:
    """Routes that feed `door`; success is answered only after its sink accepted.

    Agents are heard when there is a `registry`.
    """
    ways = [way for name in protocols for way in WAYS[name]]
    if registry:
        ways.append(Way("announce", (PATH,), Announcements(registry).post, json_form))
    found: list[BaseRoute] = [route for way in ways for route in way.routes(door)]

    async def ready(request: Request) -> Response:
        why = f": {said}" if (said := door.said()) else ""
        if door.ready():
            return PlainTextResponse(f"ready{why}\n")
        return PlainTextResponse(f"not ready{why}\n", 503, headers={"Retry-After": "1"})

    async def health(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    return [*found, Route("/ready", ready), Route("/health", health)]
