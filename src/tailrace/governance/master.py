"""The master key in memory, fetched when it is first needed and again when another is wanted."""

from __future__ import annotations

import asyncio

from tailrace.core.clock import Clock
from tailrace.core.errors import ConfigError, StoreError
from tailrace.governance import keymaking
from tailrace.governance.masterkey import MasterKey, MasterSource

# After a failure who comes next hears so at once, for so long: a command may take half a minute.
RETRY_S = 5.0


class Master:
    """What `source` gives. Not shared between event loops."""

    def __init__(self, source: MasterSource, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._held: MasterKey | None = None
        self._why = ""
        self._failed_s = 0.0
        self._fetching = asyncio.Lock()

    async def get(self, wanted: str, opening: bool = False) -> MasterKey:
        """The one with the id `wanted`. When it is "", for a store without keys: the one that is
        configured now, which need not be the one in memory.

        Raises StoreError; when `opening`, ConfigError for what a person has to put right.
        """
        if self._held is not None and wanted == self._held.id:
            return self._held
        async with self._fetching:
            if self._held is None or wanted != self._held.id:
                self._held = await self._fetch(wanted, opening)
            return self._held

    async def _fetch(self, wanted: str, opening: bool) -> MasterKey:
        if self._why and self._clock.monotonic_s() - self._failed_s < RETRY_S:
            raise StoreError(self._why)
        fetch = self._source.load if wanted else self._source.first
        try:
            found = await asyncio.to_thread(fetch)
            keymaking.check_master(found, wanted)
        except (ConfigError, StoreError) as error:
            self._why, self._failed_s = str(error), self._clock.monotonic_s()
            if opening and isinstance(error, ConfigError):
                raise
            raise StoreError(self._why) from None
        self._why = ""
        return found
