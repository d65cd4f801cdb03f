"""What agents say of themselves, kept as carefully as what they send."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from tailrace.core.contracts import Registry
from tailrace.core.fleet import TEXT_CHARACTERS, Announcement


class GuardedRegistry:
    """A Registry in front of a Registry. `scrub` takes out of a text what may not be kept: paths
    and addresses are texts that people wrote."""

    def __init__(self, behind: Registry, scrub: Callable[[str], str]) -> None:
        self._behind = behind
        self._scrub = scrub

    async def announce(self, tenant: str, said: Announcement) -> int:
        """See Registry."""
        return await self._behind.announce(tenant, self._scrubbed(said))

    def _scrubbed(self, said: Announcement) -> Announcement:
        inputs = [replace(one, named=self._short(one.named)) for one in said.inputs]
        host, gateway = self._short(said.host), self._short(said.gateway)
        return replace(said, inputs=inputs, host=host, gateway=gateway)

    def _short(self, text: str) -> str:
        return self._scrub(text)[:TEXT_CHARACTERS]
