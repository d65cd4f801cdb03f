"""The built-in alert `GuardFinding`: one for each place where the guard found something and alerts.

What alerts is read from the findings as they are kept, so that a restart, or a finding of another
gateway, is told all the same; `raised` only says that it is time to look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from tailrace.alerts.builtin.groups import FOLDER
from tailrace.alerts.builtin.names import GUARD_FINDING
from tailrace.alerts.evaluation import state
from tailrace.alerts.evaluation.evaluator import Stands
from tailrace.alerts.evaluation.state import Held, Owner
from tailrace.alerts.evaluation.turn import Standing
from tailrace.alerts.rule import Group, Rule, rule_id
from tailrace.core import log
from tailrace.core.alerting import Alert, AlertStore, Evaluated, Labels, Phase
from tailrace.core.clock import Clock
from tailrace.core.errors import StoreError
from tailrace.core.finding import Finding, Place
from tailrace.core.metrics import Metrics
from tailrace.query.times import SECOND_NS

_log = log.get("alerts")
LOOK_S = 15.0
SEVERITY = ("severity", "warning")
RULE = Rule("findings of the guard", "logql", alert=GUARD_FINDING, labels=(SEVERITY,), streams=True)
# All findings that alert, of every tenant, each with its sentence. May raise StoreError.
Findings = Callable[[], Awaitable[Sequence[tuple[Finding, str]]]]


def group_of(tenant: str) -> Group:
    """The group that it is the rule of."""
    every_ns = int(LOOK_S) * SECOND_NS
    return Group(tenant, FOLDER, "guard", (RULE,), every_ns, origin="built in")


RULE_ID = rule_id(group_of(""), 0)


@dataclass
class _Tenant:
    alerts: dict[Labels, Alert] = field(default_factory=dict)
    looked_ns: int = 0
    error: str = ""


class GuardFindings:
    """`open`, then `run` until it is cancelled. `changed` as of Evaluator."""

    def __init__(
        self,
        store: AlertStore,
        findings: Findings,
        changed: Callable[[Sequence[Alert]], None],
        clock: Clock,
        metrics: Metrics,
        tenants: Iterable[str],
    ) -> None:
        """`tenants` are those that it is shown to even when they have no findings."""
        self._store = store
        self._findings = findings
        self._changed = changed
        self._clock = clock
        self._metrics = metrics
        self._tenants = {name: _Tenant() for name in tenants}
        self._raised = asyncio.Event()

    def owns(self, _tenant: str, rule: str) -> bool:
        """Whether it is this one."""
        return rule == RULE_ID

    def raised(self, _finding: Finding, _sentence: str) -> None:
        """Something begins to alert. Of governance.findings.book.Raised."""
        self._raised.set()

    async def open(self) -> None:
        """Go on with what is kept. Raises StoreError."""
        for one in self._tenants.values():
            one.alerts = {}
        for alert in await self._store.alerts():
            if alert.rule == RULE_ID:
                self._tenants.setdefault(alert.tenant, _Tenant()).alerts[alert.labels] = alert

    async def run(self) -> None:
        """Look now, when something is raised, and now and then."""
        while True:
            self._raised.clear()
            await self.look()
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._raised.wait()
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Alerts as findings are; those of one tenant that cannot be kept hold up no other's."""
        held: dict[str, dict[Labels, Held]] = {}
        try:
            for finding, sentence in await self._findings():
                said = _held(finding, sentence)
                held.setdefault(finding.place.tenant, {})[said.labels] = said
        except StoreError as error:
            self._failed(self._tenants.values(), error)
            return
        for tenant in sorted(held.keys() | self._tenants.keys()):
            one = self._tenants.setdefault(tenant, _Tenant())
            try:
                await self._step(tenant, one, held.get(tenant, {}))
                one.error = ""
            except StoreError as error:
                self._failed([one], error)

    def _failed(self, tenants: Iterable[_Tenant], error: StoreError) -> None:
        """What is not kept is not told; the next look finds it again."""
        for one in tenants:
            one.error = str(error)
        self._metrics.add("tailrace_rule_failures_total", label="store")
        _log.error("findings cannot be made alerts", extra={"why": str(error)})

    async def _step(self, tenant: str, one: _Tenant, held: dict[Labels, Held]) -> None:
        now_ns = self._clock.wall_ns()
        before = one.alerts
        after = state.step(Owner(tenant, RULE_ID, RULE), before, now_ns, held.values())
        news = [alert for labels, alert in after.items() if alert != before.get(labels)]
        changed = [alert for alert in news if state.differs(before.get(alert.labels), alert)]
        if changed:
            await self._store.evaluated([Evaluated(tenant, RULE_ID, now_ns)], changed, [])
        one.alerts, one.looked_ns = after, now_ns
        if told := [alert for alert in news if alert.phase is not Phase.PENDING]:
            self._changed(told)

    def stands(self) -> list[Stands]:
        """How it stands for each tenant, as rules do that are evaluated."""
        return [
            Stands(
                group_of(tenant),
                [Owner(tenant, RULE_ID, RULE)],
                [Standing(dict(one.alerts), one.looked_ns)],
                [Evaluated(tenant, RULE_ID, one.looked_ns, error=one.error)],
            )
            for tenant, one in self._tenants.items()
        ]

    def told(self, alerts: Sequence[Alert]) -> None:
        """Resolved alerts that everybody was told of, and that are no more in the store."""
        for alert in alerts:
            kept = self._tenants.get(alert.tenant, _Tenant()).alerts
            if alert.rule == RULE_ID and kept.get(alert.labels) == alert:
                del kept[alert.labels]


def _held(finding: Finding, sentence: str) -> Held:
    return Held(_labels(finding.place), (("summary", sentence),), float(finding.hits))


def _labels(place: Place) -> Labels:
    """Of no row, but of the place: the guard made them such that they hold no data."""
    named = {
        "alertname": GUARD_FINDING,
        "service_name": place.service,
        "service_version": place.version,
        "deployment_environment": place.environment,
        "detector": place.detector,
        "field": place.field,
        "code": place.code,
        "action": place.action,
    }
    return tuple(sorted([SEVERITY, *((k, v) for k, v in named.items() if v)]))
