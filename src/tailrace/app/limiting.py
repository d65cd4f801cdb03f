"""The limits of a running server: kept over a restart, looked at as time goes by."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from pathlib import Path

import msgspec

from tailrace.app.limits import LimitsConfig, quotas
from tailrace.core.clock import Clock
from tailrace.core.contracts import Pressure, Room
from tailrace.core.disk import write_whole
from tailrace.core.log import get
from tailrace.core.metrics import Metrics
from tailrace.gateway.admission.admission import Admission
from tailrace.gateway.admission.overload import Overload
from tailrace.gateway.admission.scarcity import Scarcity
from tailrace.gateway.admission.tenant import Spent
from tailrace.gateway.connections import Connections

_LOOK_S = 1.0
# A process that is killed forgets at most so much of what its tenants have sent today.
_SAVE_S = 5.0
# Descriptors for files and for everything that is no connection of the HTTP port.
_OTHER_DESCRIPTORS = 1_024

_log = get("app")


class Limiting:
    """Admission and connections of one process, and the task that looks after them.

    `path` holds the day's bytes of tenants whose day is limited: {"shop": {"day": 20783, "bytes":
    123}}, the day counted from 1970. It is replaced whole; one that cannot be read is left out, and
    the day begins with nothing spent.
    """

    def __init__(
        self,
        config: LimitsConfig,
        clock: Clock,
        metrics: Metrics,
        pressure: Pressure,
        path: Path,
        room: Room | None = None,
    ) -> None:
        self._overload = Overload(pressure, clock, metrics)
        scarcity = Scarcity(room) if room else None
        self.admission = Admission(clock, metrics, quotas(config), self._overload, scarcity)
        self.connections = Connections(
            metrics, config.connections, config.connections_per_peer, config.head_time
        )
        self._wanted = config.connections + _OTHER_DESCRIPTORS
        self._path = path
        self._saved: dict[str, Spent] = {}
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Take up what the process before has counted, and look after it from now on."""
        _raise_descriptors(self._wanted)
        self._saved = await asyncio.to_thread(self._load)
        self.admission.restore(self._saved)
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop, and keep what was counted."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._save()

    async def _run(self) -> None:
        waited_s = 0.0
        while True:
            await asyncio.sleep(_LOOK_S)
            self.connections.sweep()
            self._overload.level  # noqa: B018 - looking is what brings it up to date
            waited_s += _LOOK_S
            if waited_s >= _SAVE_S:
                waited_s = 0.0
                await self._save()

    async def _save(self) -> None:
        spent = {
            name: msgspec.structs.replace(item) for name, item in self.admission.spent().items()
        }
        if spent == self._saved:
            return
        try:
            await asyncio.to_thread(write_whole, self._path, msgspec.json.encode(spent))
            self._saved = spent
        except OSError as error:
            _log.warning("the day's bytes are not kept", extra={"error": error.strerror})

    def _load(self) -> dict[str, Spent]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, Spent])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.MsgspecError):
            _log.warning("the day's bytes are not known", extra={"file": self._path.name})
            return {}


def _raise_descriptors(wanted: int) -> None:
    """Ask for as many descriptors as connections need; say so when they are not to be had."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < wanted:
        _log.warning(
            "the system allows fewer open files than limits.connections needs",
            extra={"allowed": most, "needed": wanted},
        )
