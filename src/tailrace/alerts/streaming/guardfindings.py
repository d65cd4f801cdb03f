"""The built-in alert `GuardFinding`: one for each place where the guard found something and alerts.

What alerts is read from the findings as they are kept, so that a restart, or a finding of another
gateway, is told all the same; `raised` only says that it is time to look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from tailrace.alerts.builtin.groups import FOLDER
from tailrace.alerts.builtin.names import GUARD_FINDING
from tailrace.alerts.evaluation.state import Held
from tailrace.alerts.rule import Group, Rule
from tailrace.alerts.streaming.made import Made
from tailrace.core import log
from tailrace.core.alerting import Alert, AlertStore, Evaluated, Labels
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


class GuardFindings(Made):
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
        super().__init__(store, group_of, changed, metrics, tenants)
        self._findings = findings
        self._clock = clock
        self._raised = asyncio.Event()

    def raised(self, _finding: Finding, _sentence: str) -> None:
        """Something begins to alert. Of governance.findings.book.Raised."""
        self._raised.set()

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
            self._not_kept(self.tenants, error)
            return
        now_ns = self._clock.wall_ns()
        for tenant in sorted({*held, *self.tenants}):
            try:
                await self.step(tenant, now_ns, held.get(tenant, {}).values(), self._keep)
            except StoreError as error:
                self._not_kept([tenant], error)

    def _not_kept(self, tenants: Iterable[str], error: StoreError) -> None:
        """What is not kept is not told; the next look finds it again."""
        self.failed(tenants, str(error), "store")
        _log.error("findings cannot be made alerts", extra={"why": str(error)})

    async def _keep(self, said: Evaluated, changed: Sequence[Alert]) -> None:
        if changed:
            await self.store.evaluated([said], changed, [])


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
