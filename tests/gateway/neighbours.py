"""The gateway's neighbours, in memory: what they know or were told, and failures on demand."""

from __future__ import annotations

from tailrace.core.access import Principal, Scope
from tailrace.core.errors import Busy
from tailrace.core.fleet import Announcement

SHOP = "tr_00000000000a_" + "s" * 43
READER = "tr_00000000000b_" + "r" * 43
PRINCIPALS = {
    SHOP: Principal("shop", frozenset({Scope.INGEST}), "shop"),
    READER: Principal("shop", frozenset({Scope.QUERY}), "reader"),
}


class Book:
    """An Authority that can be changed, and can fail."""

    def __init__(self) -> None:
        self.known = dict(PRINCIPALS)
        self.failure: Busy | None = None

    def principal(self, secret: str) -> Principal | None:
        if self.failure:
            raise self.failure
        return self.known.get(secret)


class MemoryRegistry:
    """A Registry that remembers, or fails as told."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Announcement]] = []
        self.failure: Exception | None = None

    async def announce(self, tenant: str, said: Announcement) -> int:
        if self.failure:
            raise self.failure
        self.heard.append((tenant, said))
        return len(said.losses)
