"""Routes as a credential of a tenant sees them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from tailrace.core.access import KEY, Principal


def ask(
    routes: Sequence[BaseRoute],
    method: str,
    path: str,
    tenant: str = "shop",
    prefix: str = "/api/v2",
    **how: Any,
) -> httpx.Response:
    """`how` as httpx takes it: params, json, content."""
    application = Starlette(routes=routes)

    async def entered(scope: Scope, receive: Receive, send: Send) -> None:
        scope[KEY] = Principal(tenant, frozenset())
        await application(scope, receive, send)

    async def main() -> httpx.Response:
        transport = httpx.ASGITransport(app=entered)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return await client.request(method, prefix + path, **how)

    return asyncio.run(main())
