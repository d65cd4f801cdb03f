"""What a rule says otherwise now that late rows are there. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tailrace.alerts.late.memory import NOTHING, Given, Run, packed, unpacked
from tailrace.alerts.rule import Rule
from tailrace.core.alerting import Labels
from tailrace.query.matrix.matrix import Matrix

# Of recorded values so many digits count: sums in another order differ after them.
_DIGITS = 6


@dataclass(frozen=True)
class Difference:
    """Of a rule at slots that were evaluated again, `slots` of them.

    `held` counts series and slots at which it gives a series now and gave none, or another value,
    and `left` those at which it is the other way round. `missed`: series whose alert would have
    fired at any time of what is known of the rule, and did not; `unfounded` is how many fired and
    would not have.
    """

    slots: int = 0
    held: int = 0
    left: int = 0
    missed: tuple[Labels, ...] = ()
    unfounded: int = 0

    def of(self, slots: int) -> Difference:
        """The same of so many slots."""
        return replace(self, slots=slots)

    def joined(self, other: Difference) -> Difference:
        """Both together."""
        return Difference(
            self.slots + other.slots,
            self.held + other.held,
            self.left + other.left,
            self.missed + other.missed,
            self.unfounded + other.unfounded,
        )


def given(rule: Rule, found: Matrix) -> tuple[list[Given], dict[int, Labels]]:
    """What stands for the series that a rule gave, at each step, and whose numbers they are."""
    if not found.labels:
        return [NOTHING] * found.steps, {}
    if rule.alert:
        numbers = [hash(labels) for labels in found.labels]
        each = [
            packed(numbers[row] for row in np.flatnonzero(found.present[:, step]))
            for step in range(found.steps)
        ]
        return each, dict(zip(numbers, found.labels, strict=True))
    return [_valued(found, step) for step in range(found.steps)], {}


def _valued(found: Matrix, step: int) -> Given:
    rows = np.flatnonzero(found.present[:, step])
    values = found.values[rows, step].tolist()
    return packed(
        hash((found.labels[row], f"{value:.{_DIGITS}g}"))
        for row, value in zip(rows.tolist(), values, strict=True)
    )


def difference(
    rule: Rule,
    before: Sequence[Run],
    after: Sequence[Run],
    step_ns: int,
    named: Mapping[int, Labels],
) -> Difference:
    """From all that is known of a rule, before and after slots were evaluated again. `named` are
    the labels of numbers that are new."""
    old, new = _by_slot(before, step_ns), _by_slot(after, step_ns)
    changed = [
        (unpacked(old[slot]), unpacked(new[slot]))
        for slot in old.keys() & new.keys()
        if old[slot] != new[slot]
    ]
    held = sum(len(now - then) for then, now in changed)
    left = sum(len(then - now) for then, now in changed)
    if not rule.alert or not changed:
        return Difference(held=held, left=left)
    fired, fires = (_fired(runs, rule.for_ns, step_ns) for runs in (before, after))
    missed = tuple(sorted(named[one] for one in fires - fired if one in named))
    return Difference(held=held, left=left, missed=missed, unfounded=len(fired - fires))


def _by_slot(runs: Iterable[Run], step_ns: int) -> dict[int, Given]:
    return {
        slot_ns: run.given
        for run in runs
        for slot_ns in range(run.first_ns, run.last_ns + 1, step_ns)
    }


def _fired(runs: Iterable[Run], for_ns: int, step_ns: int) -> frozenset[int]:
    """What held at slots that follow one another for so long."""
    since: dict[int, int] = {}
    fired: set[int] = set()
    last_ns = 0
    for run in runs:
        if run.first_ns != last_ns + step_ns:
            since = {}
        since = {one: since.get(one, run.first_ns) for one in unpacked(run.given)}
        fired |= {one for one, first_ns in since.items() if run.last_ns - first_ns >= for_ns}
        last_ns = run.last_ns
    return frozenset(fired)
