"""The guard with all that it needs, as a configuration wants it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from starlette.routing import BaseRoute

from tailrace.app.config import Config
from tailrace.app.keyring import keyring
from tailrace.core import log
from tailrace.core.clock import Clock
from tailrace.core.contracts import BoundedSink, Registry
from tailrace.core.errors import StoreError
from tailrace.core.frame import Header
from tailrace.core.metrics import Metrics
from tailrace.governance.control import Control
from tailrace.governance.findings.book import Book, Raised, nobody
from tailrace.governance.ledger.known import GuardedAway
from tailrace.guard.announcements import GuardedRegistry
from tailrace.guard.cleaner import Cleaner
from tailrace.guard.guard import Guard
from tailrace.guard.http import routes
from tailrace.guard.kinds import KINDS, all_kinds
from tailrace.guard.scrub import Scrubber
from tailrace.guard.thresholds import Thresholds

_log = log.get("guard")


class Guarding:
    """`open` once the control store is, `close` once nothing more is taken in.

    `guard` stands before `behind`, and whoever closes the one closes the other. It guards nothing
    before it is open, and lets nothing past.
    """

    def __init__(
        self,
        config: Config,
        control: Control,
        clock: Clock,
        metrics: Metrics,
        behind: BoundedSink,
        raised: Raised = nobody,
        counted: Callable[[Sequence[Header]], None] = lambda headers: None,
    ) -> None:
        """`raised` is told of findings that begin to alert, `counted` of frames of which no row may
        pass. Raises ConfigError."""
        kinds = all_kinds(config.guard.detectors)
        self._kinds = tuple(kinds)
        self._keys = keyring(config, control, clock, metrics, self._kinds)
        titles = {name: kind.title for name, kind in kinds.items()}
        thresholds = Thresholds(config.guard.thresholds, kinds)
        self.findings = Book(control, clock, metrics, thresholds.of, titles, KINDS, raised)
        load = partial(Cleaner, config.guard, clock)
        self.away = GuardedAway(control, clock, counted)
        self.guard = Guard(behind, load, self._keys, self.findings, clock, metrics, self.away)
        self._scrubber = Scrubber(self.guard.cleaner)
        self._running: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Know the keys, and scrub the process's own log. Raises ConfigError."""
        try:
            await self._keys.open()
        except StoreError as error:
            self.guard.stop(f"its keys cannot be had: {error}")
        try:
            await self.findings.open()
        except StoreError as error:
            _log.error("findings cannot be read: %s", error)
        log.scrub(self._scrub_own)
        running = (self._keys.run(), self.findings.run(), self.guard.run())
        self._running = [asyncio.create_task(one) for one in running]

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
        """Write the last findings; stop following the keys."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self.findings.close()
