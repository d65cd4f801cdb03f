"""Alerts that the server makes itself, rather than evaluating an expression: those of one rule,
which each tenant has. What is not kept is not told.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tailrace.alerts.evaluation import state
from tailrace.alerts.evaluation.evaluator import Stands
from tailrace.alerts.evaluation.state import Held, Owner
from tailrace.alerts.evaluation.turn import Standing
from tailrace.alerts.rule import Group, rule_id
from tailrace.core.alerting import Alert, AlertStore, Evaluated, Labels, Phase
from tailrace.core.metrics import Metrics

# Keeps a look and the alerts that it changed. May raise StoreError, and then kept nothing, or all.
Keep = Callable[[Evaluated, Sequence[Alert]], Awaitable[None]]


@dataclass
class _Tenant:
    """`unsure`: the store may know more of its alerts than this."""

    alerts: dict[Labels, Alert] = field(default_factory=dict)
    looked_ns: int = 0
    error: str = ""
    unsure: bool = False


class Made:
    """`open`, then `step` with what holds. `changed` as of Evaluator; `id` is of the rule."""

    def __init__(
        self,
        store: AlertStore,
        group_of: Callable[[str], Group],
        changed: Callable[[Sequence[Alert]], None],
        metrics: Metrics,
        tenants: Iterable[str],
    ) -> None:
        """`group_of` gives a tenant's group, of one rule; `tenants` are those that it is shown to
        even when they have no alerts."""
        self.store = store
        self._group_of = group_of
        self._changed = changed
        self._metrics = metrics
        self._tenants = {name: _Tenant() for name in tenants}
        self.id = rule_id(group_of(""), 0)

    def owns(self, _tenant: str, rule: str) -> bool:
        """Whether it is this one."""
        return rule == self.id

    @property
    def tenants(self) -> list[str]:
        """Those that it is shown to, and those that had alerts."""
        return sorted(self._tenants)

    async def open(self) -> None:
        """Go on with what is kept. Raises StoreError."""
        for one in self._tenants.values():
            one.alerts, one.unsure = {}, False
        for alert in await self.store.alerts():
            if alert.rule == self.id:
                self._tenant(alert.tenant).alerts[alert.labels] = alert
        for said in await self.store.evaluations():
            if said.rule == self.id and said.tenant in self._tenants:
                self._tenants[said.tenant].looked_ns = said.slot_ns

    def firing(self, tenant: str) -> dict[Labels, Alert]:
        """Alerts of a tenant that fire."""
        alerts = self._tenant(tenant).alerts
        return {k: one for k, one in alerts.items() if one.phase is Phase.FIRING}

    def looked_ns(self, tenant: str) -> int:
        """The slot of the last step that was kept; 0 for never."""
        return self._tenant(tenant).looked_ns

    async def step(
        self, tenant: str, now_ns: int, held: Iterable[Held], keep: Keep, slot_ns: int = 0
    ) -> None:
        """The alerts of a tenant as they are when `held` holds; `slot_ns` is `now_ns` where it is
        not given. Raises StoreError, and then nothing was told."""
        await self.catch_up(tenant)
        one = self._tenant(tenant)
        before, slot_ns = one.alerts, slot_ns or now_ns
        after = state.step(self._owner(tenant), before, now_ns, held)
        news = [alert for labels, alert in after.items() if alert != before.get(labels)]
        changed = [alert for alert in news if state.differs(before.get(alert.labels), alert)]
        there, one.unsure = set(before), True
        await keep(Evaluated(tenant, self.id, slot_ns), changed)
        one.unsure = False
        # Let go by `told` meanwhile.
        for labels in there - before.keys():
            if after[labels].phase is Phase.RESOLVED:
                del after[labels]
        one.alerts, one.looked_ns, one.error = after, slot_ns, ""
        self._tell(news)

    async def catch_up(self, tenant: str) -> None:
        """Tell what was kept though the store said that it failed. Raises StoreError."""
        one = self._tenant(tenant)
        if not one.unsure:
            return
        kept = {a.labels: a for a in await self.store.alerts(tenant) if a.rule == self.id}
        slots = {(said.tenant, said.rule): said.slot_ns for said in await self.store.evaluations()}
        news = [alert for labels, alert in kept.items() if alert != one.alerts.get(labels)]
        one.alerts, one.unsure = kept, False
        one.looked_ns = slots.get((tenant, self.id), one.looked_ns)
        self._tell(news)

    def _tell(self, news: Iterable[Alert]) -> None:
        if told := [alert for alert in news if alert.phase is not Phase.PENDING]:
            self._changed(told)

    def failed(self, tenants: Iterable[str], words: str, kind: str) -> None:
        """They stay as they are, and say why; `kind` is of tailrace_rule_failures_total."""
        for name in tenants:
            self._tenant(name).error = words
        self._metrics.add("tailrace_rule_failures_total", label=kind)

    def stands(self) -> list[Stands]:
        """How it stands for each tenant, as rules do that are evaluated."""
        return [
            Stands(
                self._group_of(tenant),
                [self._owner(tenant)],
                [Standing(dict(one.alerts), one.looked_ns)],
                [Evaluated(tenant, self.id, one.looked_ns, error=one.error)],
            )
            for tenant, one in self._tenants.items()
        ]

    def told(self, alerts: Sequence[Alert]) -> None:
        """Resolved alerts that everybody was told of, and that are no more in the store."""
        for alert in alerts:
            kept: Mapping[Labels, Alert] = self._tenants.get(alert.tenant, _Tenant()).alerts
            if alert.rule == self.id and kept.get(alert.labels) == alert:
                del self._tenants[alert.tenant].alerts[alert.labels]

    def _tenant(self, name: str) -> _Tenant:
        return self._tenants.setdefault(name, _Tenant())

    def _owner(self, tenant: str) -> Owner:
        return Owner(tenant, self.id, self._group_of(tenant).rules[0])
