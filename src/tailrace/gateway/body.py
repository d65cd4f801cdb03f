"""A request's body, read within its limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

from starlette.requests import ClientDisconnect, Request

from tailrace.core import limits
from tailrace.core.access import principal_of
from tailrace.core.budget import ByteBudget
from tailrace.core.errors import InputError, TooLarge
from tailrace.gateway.admission.admission import Admission

# What has arrived is worth more patience than what has not.
_TURN_S = 60.0
# Small requests at the same time: enough to share the sync of a group, and no more than the loop
# does while that takes.
_REQUESTS_IN_TURN = 8


class BodyReader:
    """Reads bodies of at most `limit_bytes` in `deadline_s`, all together within `budget`, from
    tenants that `admission` lets in, if there is one.

    A body that has arrived waits for its turn to be decoded and kept: while several tenants send,
    TURN_BYTES of each are at that at the same time, so that the others' wait is short however much
    one sends. It holds no turn while it arrives: a slow link must not keep its tenant's others out.
    """

    def __init__(
        self,
        budget: ByteBudget,
        limit_bytes: int,
        deadline_s: float,
        admission: Admission | None = None,
    ) -> None:
        self._budget = budget
        self._limit_bytes = limit_bytes
        self._deadline_s = deadline_s
        self._admission = admission
        total = limits.BODIES_IN_FLIGHT_BYTES
        self._turns = ByteBudget(total, _TURN_S, reserve=total - limits.TURN_BYTES)

    @asynccontextmanager
    async def hold(self, tenant: str, size_bytes: int, own: bool = False) -> AsyncIterator[None]:
        """What every request does from before it is read, whichever way it comes. Raises Busy.
        `own`: see Admission."""
        entered = self._admission.enter(tenant, own) if self._admission else nullcontext()
        with entered:
            async with self._budget.hold(size_bytes, tenant):
                yield

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """The body as sent; its bytes count against the budget until the context ends.

        Raises TooLarge ("body", "body_bytes"), InputError ("length", "slow", "disconnect") and
        Busy; nothing is read of a request that is refused for the latter.
        """
        tenant = principal_of(request.scope).tenant
        limit_bytes = self._limit_bytes
        if self._admission:
            limit_bytes = self._admission.body_bytes(tenant, limit_bytes)
        async with self.hold(tenant, self._claim(request, limit_bytes)):
            try:
                async with asyncio.timeout(self._deadline_s):
                    body = await self._receive(request, limit_bytes)
            except TimeoutError as error:
                raise InputError(
                    f"body did not arrive within {self._deadline_s:g} s; send smaller batches",
                    "slow",
                ) from error
            except ClientDisconnect as error:
                raise InputError("client left before the body ended", "disconnect") from error
            async with self.turn(tenant, len(body)):
                yield body

    @asynccontextmanager
    async def turn(self, tenant: str, size_bytes: int) -> AsyncIterator[None]:
        """Of this tenant, to have so many bytes decoded and kept. Raises Busy."""
        share = max(size_bytes, limits.TURN_BYTES // _REQUESTS_IN_TURN)
        async with self._turns.hold(share, tenant):
            yield

    def _claim(self, request: Request, limit_bytes: int) -> int:
        """Bytes to hold: what the sender announces, or the most it may send."""
        text = request.headers.get("content-length")
        if text is None:
            return limit_bytes
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            raise InputError("Content-Length must be a number of bytes", "length")
        if int(text) > limit_bytes:
            raise self._too_large(request, limit_bytes)
        return int(text)

    async def _receive(self, request: Request, limit_bytes: int) -> bytes:
        parts: list[bytes] = []
        total = 0
        async for part in request.stream():
            total += len(part)
            if total > limit_bytes:
                raise self._too_large(request, limit_bytes)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _too_large(self, request: Request, limit_bytes: int) -> TooLarge:
        own = limit_bytes < self._limit_bytes
        error = TooLarge(
            f"body is larger than {limit_bytes} bytes; send smaller batches",
            "body_bytes" if own else "body",
        )
        if self._admission:
            self._admission.refused(principal_of(request.scope).tenant, error)
        return error
