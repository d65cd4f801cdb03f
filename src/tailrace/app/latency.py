"""How late alerts are, wired: the canary through the door, its rule, the watch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec
from starlette.routing import BaseRoute

from tailrace.alerts.evaluation.evaluator import Stands
from tailrace.alerts.http.latency import routes
from tailrace.alerts.latency.canary import Beat, Canary
from tailrace.alerts.latency.delays import RuleDelays
from tailrace.alerts.latency.pulse import Pulse
from tailrace.alerts.latency.rule import SERVICE, TENANT, Listener, canary_group
from tailrace.alerts.latency.watch import Watch
from tailrace.alerts.rule import Group
from tailrace.app.alertsettings import AlertsConfig
from tailrace.core.clock import Clock
from tailrace.core.contracts import Feed
from tailrace.core.frame import Codec, Lane
from tailrace.core.metrics import Metrics
from tailrace.gateway.door import Door
from tailrace.wire.content import Content


class Latency:
    """`start` once the door is open, `close` before it is not. `groups` are evaluated beside all
    others; `listener` hears what recording rules gave, and of each evaluation."""

    def __init__(
        self,
        config: AlertsConfig,
        door: Door,
        feed: Feed,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._canary = Canary(clock, metrics)
        self.rules = RuleDelays(clock, metrics)
        group = canary_group(int(config.interval * 1e9))
        self.groups: list[Group] = [group] if config.canary else []
        self.listener = Listener(group, self._canary, self.rules)
        self._pulse = Pulse(self._canary, DoorWay(door, feed), config.canary)
        self._watch = Watch(self._canary, clock, metrics) if config.canary else None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._watch:
            self._task = asyncio.create_task(self._pulse.run())
            self._watch.start()

    def evaluates(self, here: bool) -> None:
        """Whether rules are evaluated by this server from now on."""
        self._canary.evaluates(here)

    def routes(self, stands: Callable[[], Sequence[Stands]]) -> list[BaseRoute]:
        """`stands` says how all rules stand."""
        return routes(self._canary if self._watch else None, self.rules, stands)

    async def close(self) -> None:
        if self._watch:
            await asyncio.to_thread(self._watch.stop)
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


class DoorWay:
    """A Way by the door, as every line comes in: guarded, limited and queued. Nothing of it is
    archived."""

    def __init__(self, door: Door, feed: Feed) -> None:
        self._door = door
        self.stored = feed.stored

    async def write(self, run: str, beats: Sequence[Beat], received: Callable[[], None]) -> None:
        """See Way."""
        encoded = b"".join(msgspec.json.encode(_row(run, beat)) + b"\n" for beat in beats)

        def content(data: bytes) -> Sequence[Content]:
            received()
            return [Content(Codec.RECORDS, data, len(beats), lane=Lane.HOT)]

        await self._door.take_bytes(encoded, TENANT, content, own=True)


def _row(run: str, beat: Beat) -> dict[str, object]:
    return {
        "time": beat.made_ns,
        "severity": "DEBUG",
        "service": SERVICE,
        "body": "canary",
        "attributes": {"run": run, "beat": str(beat.number)},
    }
