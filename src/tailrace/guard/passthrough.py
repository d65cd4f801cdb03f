"""The guard's place in the flow without a guard: every frame passes as it is.

For a gateway whose gateways further up do the guarding, and for measuring what the guard costs.
"""

from __future__ import annotations

from collections.abc import Sequence

from tailrace.core.contracts import Receipt, Sink
from tailrace.core.frame import Frame


class PassThrough:
    """A Sink in front of a Sink. Promises what the one behind it promises."""

    def __init__(self, behind: Sink) -> None:
        self._behind = behind

    async def accept(self, frames: Sequence[Frame]) -> Receipt:
        return await self._behind.accept(frames)

    async def close(self, deadline_s: float) -> None:
        await self._behind.close(deadline_s)
