"""Series that rules record, into the same way that all samples go: guarded, queued, stored."""

from __future__ import annotations

from collections.abc import Callable

from tailrace.alerts.evaluation.expression import at_step
from tailrace.alerts.evaluation.recorded import recorded
from tailrace.alerts.evaluation.state import Owner
from tailrace.alerts.rule import Group
from tailrace.app.ownsamples import take_samples
from tailrace.core.alerting import Labels
from tailrace.gateway.door import Door
from tailrace.query.matrix.matrix import Matrix


class Recording:
    """A Recorder. What it gives to the door is durable when `record` returns, and seen by queries
    as soon as any other sample; so a later rule of the group sees it at its next slot. A series
    that ends while this process runs is marked so."""

    def __init__(self, door: Door, heard: Callable[[Group, Matrix], bool]) -> None:
        """`heard` says of what a rule gave that it was for others, and is not to be stored."""
        self._door = door
        self._heard = heard
        # The series of each rule at the slot before.
        self._before: dict[tuple[str, str], frozenset[Labels]] = {}

    async def record(self, group: Group, owner: Owner, found: Matrix, last_slot_ns: int) -> None:
        """See Recorder. Raises Busy and InputError."""
        if self._heard(group, found):
            return
        key = (owner.tenant, owner.rule_id)
        listed = recorded(group, owner, found, last_slot_ns, self._before.get(key, frozenset()))
        if listed:
            await take_samples(self._door, owner.tenant, listed)
        last = at_step(found, found.steps - 1)
        self._before[key] = frozenset(found.labels[row] for row, _ in last)
