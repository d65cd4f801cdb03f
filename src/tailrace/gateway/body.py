"""A request's body, read within its limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import ClientDisconnect, Request

from tailrace.core.errors import InputError, TooLarge
from tailrace.gateway.budget import ByteBudget


class BodyReader:
    """Reads bodies of at most `limit_bytes` in `deadline_s`, all together within `budget`."""

    def __init__(self, budget: ByteBudget, limit_bytes: int, deadline_s: float) -> None:
        self._budget = budget
        self._limit_bytes = limit_bytes
        self._deadline_s = deadline_s

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """The body as sent; its bytes count against the budget until the context ends.

        Raises TooLarge ("body"), InputError ("length", "slow", "disconnect") and Busy.
        """
        async with self._budget.hold(self._claim(request)):
            try:
                async with asyncio.timeout(self._deadline_s):
                    body = await self._receive(request)
            except TimeoutError as error:
                raise InputError(
                    f"body did not arrive within {self._deadline_s:g} s; send smaller batches",
                    "slow",
                ) from error
            except ClientDisconnect as error:
                raise InputError("client left before the body ended", "disconnect") from error
            yield body

    @asynccontextmanager
    async def hold(self, size_bytes: int) -> AsyncIterator[None]:
        """Count bytes that came another way against the budget. Raises Busy."""
        async with self._budget.hold(size_bytes):
            yield

    def _claim(self, request: Request) -> int:
        """Bytes to hold: what the sender announces, or the most it may send."""
        text = request.headers.get("content-length")
        if text is None:
            return self._limit_bytes
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            raise InputError("Content-Length must be a number of bytes", "length")
        if int(text) > self._limit_bytes:
            raise self._too_large()
        return int(text)

    async def _receive(self, request: Request) -> bytes:
        parts: list[bytes] = []
        total = 0
        async for part in request.stream():
            total += len(part)
            if total > self._limit_bytes:
                raise self._too_large()
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _too_large(self) -> TooLarge:
        return TooLarge(
            f"body is larger than {self._limit_bytes} bytes; send smaller batches", "body"
        )
