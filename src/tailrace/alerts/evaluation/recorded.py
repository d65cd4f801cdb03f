"""The samples that a recording rule makes of what its expression gave."""

from __future__ import annotations

from collections.abc import Collection

from tailrace.alerts.evaluation.state import Owner
from tailrace.alerts.rule import Group
from tailrace.core.alerting import Labels
from tailrace.core.sample import Sample
from tailrace.query.matrix.matrix import Matrix

NAME = "__name__"


def recorded(
    group: Group, owner: Owner, found: Matrix, last_slot_ns: int, before: Collection[Labels] = ()
) -> list[Sample]:
    """One for each value at the slots up to `last_slot_ns`, and Prometheus' marker where a series
    has ended. `before`: the series that had a value at the slot before these."""
    first_ns = last_slot_ns - (found.steps - 1) * group.interval_ns
    made: list[Sample] = []
    for row, labels in enumerate(found.labels):
        named = _labels(group, owner, labels)
        there = labels in before
        for step in range(found.steps):
            was, there = there, bool(found.present[row, step])
            time_ns = first_ns + step * group.interval_ns
            if there:
                value = float(found.values[row, step])
                made.append(Sample(time_ns, owner.rule.record, value, attributes=named))
            elif was:
                made.append(_ended(owner, named, time_ns))
    gone = (labels for labels in before if labels not in found.labels)
    made += [_ended(owner, _labels(group, owner, labels), first_ns) for labels in gone]
    return made


def _ended(owner: Owner, labels: dict[str, str], time_ns: int) -> Sample:
    return Sample(time_ns, owner.rule.record, "NaN", attributes=labels, stale=True)


def _labels(group: Group, owner: Owner, labels: Labels) -> dict[str, str]:
    """Those of the rule win over those of its group, and these over the series'; an empty one is
    none."""
    joined = {**dict(labels), **dict(group.labels), **dict(owner.rule.labels)}
    return {name: value for name, value in joined.items() if value and name != NAME}
