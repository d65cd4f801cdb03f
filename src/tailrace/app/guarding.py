"""The guard with all that it needs, as a configuration wants it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from starlette.routing import BaseRoute

from tailrace.app.config import Config
from tailrace.app.keyring import keyring
from tailrace.core import log
from tailrace.core.clock import Clock
from tailrace.core.contracts import Registry, Room, Sink
from tailrace.core.errors import StoreError
from tailrace.core.finding import Finding
from tailrace.core.metrics import Metrics
from tailrace.governance.control import Control
from tailrace.guard.announcements import GuardedRegistry
from tailrace.guard.cleaner import Cleaner
from tailrace.guard.guard import Guard
from tailrace.guard.http import routes
from tailrace.guard.kinds import KINDS
from tailrace.guard.scrub import Scrubber

_log = log.get("guard")


class _Uncounted:
    def note(self, found: Sequence[Finding]) -> None:
        """Nothing."""


class Guarding:
    """`open` once the control store is, `close` once nothing more is taken in.

    `guard` stands before `behind`, which has as much room as `room` says. It guards nothing before
    it is open, and lets nothing past.
    """

    def __init__(
        self,
        config: Config,
        control: Control,
        clock: Clock,
        metrics: Metrics,
        behind: Sink,
        room: Room,
    ) -> None:
        """Raises ConfigError."""
        self._kinds = (*KINDS, *(one.name for one in config.guard.detectors))
        self._keys = keyring(config, control, clock, metrics, self._kinds)
        load = partial(Cleaner, config.guard, clock)
        self.guard = Guard(behind, room, load, self._keys, _Uncounted(), clock, metrics)
        self._scrubber = Scrubber(self.guard.cleaner)
        self._running: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Know the keys, and scrub the process's own log. Raises ConfigError."""
        try:
            await self._keys.open()
        except StoreError as error:
            _log.error("keys cannot be had, and nothing is taken in: %s", error)
        log.scrub(self._scrub_own)
        self._running = [asyncio.create_task(self._keys.run())]

    def _scrub_own(self, line: str) -> str:
        """A guard that could not be loaded has to be able to say so."""
        return self._scrubber.scrub(line) if self.guard.loaded else line

    def registry(self, behind: Registry) -> Registry:
        """A Registry that keeps what agents say of themselves as carefully as what they send."""
        return GuardedRegistry(behind, self._scrubber.scrub)

    def routes(self) -> list[BaseRoute]:
        """For those who may have data forgotten."""
        return routes(self._keys, frozenset(self._kinds))

    @property
    def ends(self) -> set[asyncio.Task[None]]:
        """Tasks that run as long as the process does."""
        return set(self._running)

    async def close(self) -> None:
        """Stop following the keys."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
