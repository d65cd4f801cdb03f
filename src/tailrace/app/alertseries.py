"""ALERTS and ALERTS_FOR_STATE of all rules, into the same way that all samples go.

An evaluation waits for none of it: samples are gathered for a second, so that many groups are one
write, and are stored when there is room. Where there is none for long they are left out and
counted, since the next evaluation says the same again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from tailrace.alerts.evaluation.activeseries import active, samples
from tailrace.alerts.evaluation.evaluator import Stands
from tailrace.alerts.evaluation.state import Owner
from tailrace.alerts.evaluation.turn import Standing
from tailrace.alerts.rule import Group
from tailrace.app.ownsamples import take_samples
from tailrace.core import limits
from tailrace.core.alerting import Alert, Labels
from tailrace.core.clock import Clock
from tailrace.core.errors import Busy, TailraceError
from tailrace.core.log import get
from tailrace.core.metrics import Metrics
from tailrace.core.sample import Sample
from tailrace.gateway.door import Door

_log = get("alerts")
_GATHER_S = 1.0
# Of one write: some hundred kilobytes.
_AT_ONCE = 1_000
_Rule = tuple[str, str]  # tenant and id


class AlertSeries:
    """`kept` hears of evaluations, `run` stores what comes of them until it is cancelled."""

    def __init__(
        self,
        door: Door,
        streams: Callable[[], Sequence[Stands]],
        clock: Clock,
        metrics: Metrics,
        every_s: float,
    ) -> None:
        """`streams`: how rules stand that have no evaluations; they are looked at `every_s`."""
        self._door = door
        self._streams = streams
        self._clock = clock
        self._metrics = metrics
        self._every_s = every_s
        self._looked_s = clock.monotonic_s()
        # The series of each rule that has some, as they were written last.
        self._before: dict[_Rule, frozenset[tuple[str, Labels]]] = {}
        self._waiting: dict[str, list[Sample]] = {}
        self._count = 0

    def kept(
        self,
        group: Group,
        owners: Sequence[Owner],
        before: Sequence[Standing],
        after: Sequence[Standing],
    ) -> None:
        """A group was evaluated; see Kept. A turn of several slots gives samples of its last."""
        for owner, old, new in zip(owners, before, after, strict=True):
            known = (owner.tenant, owner.rule_id)
            if not (new.alerts or old.alerts or known in self._before):
                continue  # so it is with most rules
            if owner.rule.alert and new.slot_ns > old.slot_ns:
                if known not in self._before and old.alerts:  # after a start
                    self._before[known] = frozenset(active(old.alerts.values()))
                self._see(known, new.alerts.values(), new.slot_ns)

    def retain(self, stands: Iterable[Stands]) -> None:
        """Only these rules are left: the series of others end."""
        left = {(owner.tenant, owner.rule_id) for one in stands for owner in one.owners}
        for known in self._before.keys() - left:
            self._see(known, (), self._clock.wall_ns())

    def begin(self) -> None:
        """Another server may have evaluated until now."""
        self._before.clear()

    async def run(self) -> None:
        """Store what is gathered, again and again."""
        while True:
            await asyncio.sleep(_GATHER_S)
            try:
                if self._clock.monotonic_s() >= self._looked_s + self._every_s:
                    self.look()
                await self.store()
            except Exception:  # what nobody foresaw must not end the series of all alerts
                _log.exception("series of alerts cannot be stored")

    def look(self) -> None:
        """See how the rules stand that have no evaluations."""
        self._looked_s = self._clock.monotonic_s()
        now_ns = self._clock.wall_ns()
        for one in self._streams():
            for owner, standing in zip(one.owners, one.standing, strict=True):
                self._see((owner.tenant, owner.rule_id), standing.alerts.values(), now_ns)

    async def store(self) -> None:
        """What is gathered. What there is no room for waits."""
        for tenant in list(self._waiting):
            if await self._stored(tenant):
                del self._waiting[tenant]

    async def _stored(self, tenant: str) -> bool:
        """Whether nothing of it is left."""
        waiting = self._waiting[tenant]
        while some := waiting[:_AT_ONCE]:
            try:
                await take_samples(self._door, tenant, some, own=True)
            except Busy:
                return False
            except TailraceError as error:
                self._drop(len(some), str(error))
            else:
                self._metrics.add("tailrace_alert_samples_total", len(some), "stored")
            del waiting[: len(some)]
            self._count -= len(some)
        return True

    def _see(self, known: _Rule, alerts: Iterable[Alert], at_ns: int) -> None:
        now = active(alerts)
        made = samples(now, self._before.get(known, ()), at_ns)
        if now:
            self._before[known] = frozenset(now)
        else:
            self._before.pop(known, None)
        room = limits.ALERT_SAMPLES_WAITING - self._count
        if len(made) > room:
            self._drop(len(made) - room, "others wait")
            del made[room:]
        if made:
            self._waiting.setdefault(known[0], []).extend(made)
            self._count += len(made)

    def _drop(self, count: int, why: str) -> None:
        self._metrics.add("tailrace_alert_samples_total", count, "dropped")
        _log.warning("series of alerts are left out", extra={"samples": count, "why": why})
