"""The rule over the canary: evaluated as all others are, it says which line it saw last."""

from __future__ import annotations

from collections.abc import Sequence

from tailrace.alerts.evaluation.state import Owner
from tailrace.alerts.evaluation.turn import Standing
from tailrace.alerts.latency.canary import LOOKED_BACK_S, Canary
from tailrace.alerts.latency.delays import RuleDelays
from tailrace.alerts.rule import Group, Rule
from tailrace.core import limits
from tailrace.query.matrix.matrix import Matrix

# Nobody's: its rows are in no answer, figure or limit of a tenant that is in use.
TENANT = "tailrace"
SERVICE = "tailrace.canary"
_RULE = Rule(
    f'max by (run) (max_over_time({{service_name="{SERVICE}"}} '
    f"| unwrap beat [{LOOKED_BACK_S / 60:.0f}m]))",
    "logql",
    record="tailrace_canary_beat",
)


def canary_group(interval_ns: int) -> Group:
    """As often as groups that name no interval, and never more seldom than by default."""
    most_ns = int(limits.CANARY_INTERVAL_S * 1e9)
    interval_ns = min(interval_ns, most_ns)
    return Group(TENANT, "tailrace", "canary", (_RULE,), interval_ns, origin="built in")


class Listener:
    """Hears what the canary's rule gave, and of each group that it was evaluated."""

    def __init__(self, group: Group, canary: Canary, rules: RuleDelays) -> None:
        self._key = group.key
        self._canary = canary
        self._rules = rules
        self._seen = 0

    def heard(self, group: Group, found: Matrix) -> bool:
        """What a recording rule gave; True when it was the canary's, and is not to be stored."""
        if group.key != self._key:
            return False
        for row, labels in enumerate(found.labels):
            if dict(labels).get("run") == self._canary.run and found.present[row, -1]:
                self._seen = int(found.values[row, -1])
        return True

    def kept(
        self,
        group: Group,
        owners: Sequence[Owner],
        before: Sequence[Standing],
        after: Sequence[Standing],
    ) -> None:
        """A group was evaluated, and what came of it is durable."""
        if group.key == self._key:
            self._canary.evaluated(self._seen)
        else:
            self._rules.kept(group, owners, before, after)
