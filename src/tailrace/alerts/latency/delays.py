"""How late each rule is: from its slot to what is kept, from firing to what is told and sent.

Slots, alerts and notices know the wall clock only. While it is set, a value may be wrong by as
much; one that would be negative is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tailrace.alerts.evaluation.evaluator import Stands
from tailrace.alerts.evaluation.slots import after
from tailrace.alerts.evaluation.state import Owner
from tailrace.alerts.evaluation.turn import Standing
from tailrace.alerts.latency.report import Delays
from tailrace.alerts.latency.sketch import Sketch
from tailrace.alerts.rule import Group
from tailrace.core.alerting import Alert, Notice
from tailrace.core.clock import Clock
from tailrace.core.metrics import Metrics


class RuleDelay(NamedTuple):
    """`evaluated`: from a slot to when what came of it was durable. `told`: from the slot at which
    an alert fires to its first notice being made."""

    evaluated: Delays
    told: Delays


class RuleDelays:
    """Of all tenants, of the last hour, in memory. Of one event loop."""

    def __init__(self, clock: Clock, metrics: Metrics) -> None:
        self._clock = clock
        self._metrics = metrics
        self._evaluated: dict[tuple[str, str], Sketch] = {}
        self._told: dict[tuple[str, str], Sketch] = {}
        self._sent: dict[str, Sketch] = {}

    def kept(
        self,
        group: Group,
        owners: Sequence[Owner],
        before: Sequence[Standing],
        standing: Sequence[Standing],
    ) -> None:
        """Rules of a group were evaluated. A turn with several slots counts as late as the oldest
        one of them; a rule that failed counts when it works again."""
        now_ns = self._clock.wall_ns()
        for owner, old, new in zip(owners, before, standing, strict=True):
            if new.slot_ns > old.slot_ns:
                missed = new.missed - old.missed
                first_ns = after(group, old.slot_ns) + missed * group.interval_ns
                slot_ns = first_ns if old.slot_ns else new.slot_ns
                sketch = self._evaluated.setdefault((owner.tenant, owner.rule_id), Sketch())
                self._add(sketch, now_ns - slot_ns)
                self._observe("evaluated", now_ns - slot_ns)

    def told(self, alerts: Iterable[Alert], made_ns: int) -> None:
        """Alerts that fire are in a notice for the first time, durable in the outbox."""
        for alert in alerts:
            sketch = self._told.setdefault((alert.tenant, alert.rule), Sketch())
            self._add(sketch, made_ns - alert.fired_ns)
            self._observe("told", made_ns - alert.fired_ns)

    def sent(self, notice: Notice) -> None:
        """A receiver took a notice just now."""
        late_ns = self._clock.wall_ns() - notice.made_ns
        self._add(self._sent.setdefault(notice.tenant, Sketch()), late_ns)
        self._observe("sent", late_ns)

    def retain(self, stands: Iterable[Stands]) -> None:
        """Forget rules that are no more."""
        there = {(o.tenant, o.rule_id) for one in stands for o in one.owners}
        for known in (self._evaluated, self._told):
            for key in known.keys() - there:
                del known[key]

    def of(self, tenant: str, rule_id: str) -> RuleDelay:
        """Of one rule."""
        key = (tenant, rule_id)
        return RuleDelay(self._delays(self._evaluated.get(key)), self._delays(self._told.get(key)))

    def sent_to(self, tenant: str) -> Delays:
        """From the making of a notice to a receiver of the tenant taking it, whatever its rule."""
        return self._delays(self._sent.get(tenant))

    def _delays(self, sketch: Sketch | None) -> Delays:
        return sketch.delays(self._clock.monotonic_s()) if sketch else Delays(0)

    def _add(self, sketch: Sketch, late_ns: int) -> None:
        if late_ns >= 0:
            sketch.add(late_ns / 1e9, self._clock.monotonic_s())

    def _observe(self, stage: str, late_ns: int) -> None:
        if late_ns >= 0:
            self._metrics.observe("tailrace_rule_delay_seconds", late_ns / 1e9, stage)
