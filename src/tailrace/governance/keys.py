"""The keys of pseudonyms in memory: a frame of a known tenant waits for no look at the store.

A copy of those in use is held for each tenant that was here of late. Within LOOK_S of a change,
whichever process made it, the copies that it made old are forgotten and read again when they are
asked for. While the store cannot be read the known ones stay in use: they hide values as well as
ever, and nobody else is let past the guard.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial

from sqlalchemy import Connection

from tailrace.core import limits, log
from tailrace.core.clock import Clock
from tailrace.core.errors import StoreError
from tailrace.core.keys import Secret
from tailrace.core.metrics import Metrics
from tailrace.governance import keymaking, keyschedule, keytable, wrapping
from tailrace.governance.control import Control
from tailrace.governance.keyschedule import Schedule
from tailrace.governance.keytable import Key
from tailrace.governance.master import Master
from tailrace.governance.masterkey import MasterSource
from tailrace.governance.steadiness import Steadiness

_log = log.get("governance")
# After a failure who comes next hears so at once, for so long: otherwise the frames of new tenants
# would wait in line for one timeout each.
RETRY_S = 1.0
LOOK_S = 1.0
SCHEDULE_S = 60.0


class _Known:
    """What is held of one tenant; `epochs` and `secrets` by kind. Never shown."""

    __slots__ = ("epochs", "secrets")

    def __init__(self, epochs: dict[str, int], secrets: dict[str, bytes]) -> None:
        self.epochs = epochs
        self.secrets = secrets


class Keys:
    """A core.keys.Keyring of `kinds`. One for each process; `open` first, then `run` beside all
    else."""

    def __init__(
        self,
        control: Control,
        clock: Clock,
        metrics: Metrics,
        master: MasterSource,
        kinds: Sequence[str],
        schedule: Schedule,
    ) -> None:
        self._control = control
        self._clock = clock
        self._metrics = metrics
        self._master = Master(master, clock)
        self._kinds = tuple(kinds)
        self._schedule = schedule
        self._steadiness = Steadiness(clock)
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._changes = -1
        self._why = ""
        self._failed_s = 0.0
        now_s = clock.monotonic_s()
        self._looked_s = now_s
        self._scheduled_s = now_s - SCHEDULE_S
        self._complained_s = now_s - limits.LOG_WINDOW_S
        # Up to when the own log has what became of keys, whoever did it.
        self._told_ns = clock.wall_ns()
        # A process that ended early may have left something behind.
        self._scrubbed = False
        # One looks into the store at a time, so that no copy is kept that is older than a look.
        self._looking = asyncio.Lock()

    async def open(self) -> None:
        """Fails as early as a person would like it to. Raises ConfigError, StoreError; who goes on
        after a StoreError need not come back, for `secrets` tries again."""
        await self._look()
        await self._master.get(await self._control.read(keytable.master), opening=True)

    async def secrets(self, tenant: str) -> Mapping[str, bytes]:
        """See core.keys.Keyring."""
        known = self._known.get(tenant)
        if known is None:
            return await self._learn(tenant)
        self._known.move_to_end(tenant)
        return known.secrets

    async def history(self, tenant: str, kind: str) -> list[Secret]:
        """See core.keys.Keyring."""
        found = await self._control.read(
            partial(keytable.wrapped_history, tenant=tenant, kind=kind)
        )
        return [
            Secret(key.epoch, await self._unwrap(key, wrapped), key.created_ns, key.retired_ns)
            for key, wrapped in found
        ]

    async def run(self) -> None:
        """Follow changes and keep to the schedule until it is cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Forget what others have changed; once a minute, do what is due."""
        now_s = self._clock.monotonic_s()
        try:
            await self._look()
            if now_s - self._scheduled_s >= SCHEDULE_S:
                self._scheduled_s = now_s
                await self.rotate_due()
            self._complained_s = now_s - limits.LOG_WINDOW_S
        except StoreError as error:
            if now_s - self._complained_s >= limits.LOG_WINDOW_S:
                self._complained_s = now_s
                _log.error(
                    "keys cannot be looked after; those that are known stay in use",
                    extra={"why": str(error)},
                )
        age_s = self._clock.monotonic_s() - self._looked_s
        self._metrics.set("tailrace_keys_age_seconds", age_s)

    async def rotate_due(self) -> None:
        """Destroy and rotate what is due. Raises StoreError."""
        # First what needs no master key.
        while self._steadiness.holds() and await self._destroy_some():
            self._scrubbed = False
        if not self._scrubbed:
            self._scrubbed = await self._control.scrub()
        while await self._rotate_some():
            pass

    async def _rotate_some(self) -> bool:
        now_ns = self._clock.wall_ns()
        before_ns = self._schedule.retires_before_ns(now_ns)
        due = await self._control.read(partial(keytable.to_retire, before_ns=before_ns, limit=1))
        if not due:
            return False
        work = partial(
            keyschedule.rotate_due,
            master=await self._master.get(due[0].master),
            schedule=self._schedule,
            now_ns=now_ns,
        )
        made = await self._control.run(work, durable=True)
        for key in made:
            _tell("a key was rotated; this one follows", key, key.epoch)
        self._metrics.add("tailrace_keys_total", len(made), "rotated")
        self._told_ns = max(self._told_ns, now_ns)
        await self._look()
        return bool(made)

    async def _destroy_some(self) -> bool:
        now_ns = self._clock.wall_ns()
        before_ns = self._schedule.destroys_before_ns(now_ns)
        due = await self._control.read(partial(keytable.to_destroy, before_ns=before_ns, limit=1))
        if not due:
            return False
        work = partial(keyschedule.destroy_due, schedule=self._schedule, now_ns=now_ns)
        destroyed = await self._control.run(work, durable=True)
        for key in destroyed:
            _tell("a key was destroyed", key, key.epoch)
        self._metrics.add("tailrace_keys_total", len(destroyed), "destroyed")
        self._told_ns = max(self._told_ns, now_ns)
        return bool(destroyed)

    async def _learn(self, tenant: str) -> Mapping[str, bytes]:
        async with self._looking:
            known = self._known.get(tenant)
            if known is None:
                found = [row for row in await self._found(tenant) if row[0].kind in self._kinds]
                opened = {key.kind: await self._unwrap(key, wrapped) for key, wrapped in found}
                known = _Known({key.kind: key.epoch for key, _ in found}, opened)
                self._known[tenant] = known
                if len(self._known) > limits.TENANTS_COUNTED:
                    self._known.popitem(last=False)
            return known.secrets

    async def _found(self, tenant: str) -> list[keymaking.Wrapped]:
        """The keys in use of a tenant, made where there are none. Raises StoreError."""
        if self._why and self._clock.monotonic_s() - self._failed_s < RETRY_S:
            raise StoreError(self._why)
        try:
            found = await self._control.read(partial(keytable.wrapped_in_use, tenant=tenant))
            if not {key.kind for key, _ in found}.issuperset(self._kinds):
                found = await self._complete(tenant)
        except StoreError as error:
            self._why, self._failed_s = str(error), self._clock.monotonic_s()
            raise
        self._why = ""
        return found

    async def _complete(self, tenant: str) -> list[keymaking.Wrapped]:
        """Make what is missing, durably."""
        master = await self._master.get(await self._control.read(keytable.master))
        now_ns = self._clock.wall_ns()

        def make(connection: Connection) -> tuple[list[keymaking.Wrapped], list[Key]]:
            return keymaking.complete(connection, master, tenant, self._kinds, now_ns)

        found, made = await self._control.run(make, durable=True)
        if made:
            self._metrics.add("tailrace_keys_total", len(made), "made")
            _log.info("first keys were made", extra={"tenant": tenant, "keys": len(made)})
        return found

    async def _unwrap(self, key: Key, wrapped: bytes) -> bytes:
        master = await self._master.get(key.master)
        return wrapping.unwrap(master, key.tenant, key.kind, key.epoch, wrapped)

    async def _look(self) -> None:
        """Forget what others have changed. Raises StoreError."""
        async with self._looking:
            # The number is read before the rows: a change in between is seen at the next look.
            changes = await self._control.read(keytable.changes)
            if changes != self._changes:
                await self._follow()
                self._changes = changes
        self._looked_s = self._clock.monotonic_s()

    async def _follow(self) -> None:
        """Tell what others did, and forget what is no longer so."""
        ended = partial(keytable.ended_since, ended_ns=self._told_ns)
        for key in await self._control.read(ended):
            self._told_ns = max(key.retired_ns, key.destroyed_ns)
            if key.destroyed_ns:
                _tell("a key was destroyed by another process", key, key.epoch)
            else:
                _tell("a key was rotated by another process; this one follows", key, key.epoch + 1)
        self._scrubbed = False
        if not self._known:
            return
        now: dict[str, dict[str, int]] = {}
        for key in await self._control.read(keytable.in_use):
            if key.tenant in self._known and key.kind in self._kinds:
                now.setdefault(key.tenant, {})[key.kind] = key.epoch
        for tenant in [t for t, known in self._known.items() if known.epochs != now.get(t)]:
            del self._known[tenant]


def _tell(message: str, key: Key, epoch: int) -> None:
    _log.info(message, extra={"tenant": key.tenant, "kind": key.kind, "epoch": epoch})
