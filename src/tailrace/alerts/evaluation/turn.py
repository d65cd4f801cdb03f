"""One turn of a rule: the slots that it has not been evaluated at, all of them in one question.

In the usual turn that is one slot. After a restart, a failure or an overload there are more, and
each of them is evaluated as of its own time, so that neither `for` begins again nor an alert is
missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np

from tailrace.alerts.evaluation import state
from tailrace.alerts.evaluation.expression import Asker, at_step
from tailrace.alerts.evaluation.state import Held, Owner
from tailrace.alerts.rule import Group
from tailrace.core import alertbounds, limits
from tailrace.core.alerting import Alert, Labels
from tailrace.core.errors import QueryError
from tailrace.query.matrix.matrix import Matrix
from tailrace.query.plan import Grid


class Seen(NamedTuple):
    """A series for which a rule's condition holds at a slot. `last`: no later slot of the turn has
    it, so that the annotations which are made of it stay."""

    labels: Labels
    value: float
    last: bool = True


class Describe(Protocol):
    """What is told of the series of a slot: in their order, with the labels and annotations of the
    alert. It raises nothing of its own."""

    async def __call__(
        self, owner: Owner, group: Group, slot_ns: int, found: Sequence[Seen]
    ) -> list[Held]: ...


@dataclass(frozen=True)
class Standing:
    """How a rule stands after its last evaluation, at `slot_ns` (0: never). `at_once`: how many
    slots may be asked for in one question, since more took too long; 0: any number."""

    alerts: dict[Labels, Alert]
    slot_ns: int = 0
    missed: int = 0
    at_once: int = 0


def grid_of(group: Group, standing: Standing, slot_ns: int) -> tuple[Grid, int]:
    """The slots that are asked for of those that are due up to `slot_ns`, and how many before them
    are given up: they are too old, or the present would not be reached by so few at a time."""
    if not standing.slot_ns:
        return Grid(slot_ns, group.interval_ns, 1), 0
    owed = (slot_ns - standing.slot_ns) // group.interval_ns
    most = min(int(limits.RULE_CATCH_UP_S * 1e9) // group.interval_ns, limits.RULE_CATCH_UP_SLOTS)
    steps = max(1, min(owed, max(most, 1)))
    first_ns, missed = slot_ns - (steps - 1) * group.interval_ns, owed - steps
    if not standing.at_once or steps <= standing.at_once:
        return Grid(first_ns, group.interval_ns, steps), missed
    if standing.at_once < limits.RULE_CATCH_UP_LEAST:
        return _newest(group, standing, slot_ns)
    return Grid(first_ns, group.interval_ns, standing.at_once), missed


def _newest(group: Group, standing: Standing, slot_ns: int) -> tuple[Grid, int]:
    """The last slot alone; the others are given up."""
    owed = (slot_ns - standing.slot_ns) // group.interval_ns
    return Grid(slot_ns, group.interval_ns, 1), owed - 1


def took_too_long(group: Group, standing: Standing, slot_ns: int) -> Standing:
    """The same, to be asked for half as many slots at once next time."""
    grid, _ = grid_of(group, standing, slot_ns)
    return replace(standing, at_once=grid.steps // 2) if grid.steps > 1 else standing


async def evaluated(
    owner: Owner, group: Group, standing: Standing, slot_ns: int, ask: Asker, describe: Describe
) -> tuple[Standing, Matrix]:
    """How the rule stands after its slots up to `slot_ns`, or those that `ask` told of, and what
    its expression gave there.

    Raises what `ask` raises, and QueryError where there are more series than a rule may have, two
    of them become one alert, or one says more than can be kept; then it stands as before.
    """
    grid, missed = grid_of(group, standing, slot_ns)
    try:
        found = await _asked(owner, group, grid, ask)
    except QueryError:
        if grid.steps == 1:
            raise
        # One slot that cannot be answered keeps the rule from the present no longer than itself.
        grid, missed = _newest(group, standing, slot_ns)
        found = await _asked(owner, group, grid, ask)
    last_ns = grid.start_ns + (found.steps - 1) * grid.step_ns
    at_once = 0 if last_ns == slot_ns else 2 * standing.at_once
    after = replace(standing, slot_ns=last_ns, missed=standing.missed + missed, at_once=at_once)
    if not owner.rule.alert:
        return after, found
    alerts = standing.alerts
    for step in range(found.steps):
        at_ns = grid.start_ns + step * grid.step_ns
        held = await describe(owner, group, at_ns, _seen(found, step))
        _check_unique(held)
        alerts = state.step(owner, alerts, at_ns, held)
    _check_size(alerts.values())
    return replace(after, alerts=state.missed(standing.alerts, alerts, slot_ns)), found


async def _asked(owner: Owner, group: Group, grid: Grid, ask: Asker) -> Matrix:
    at = replace(grid, start_ns=grid.start_ns - owner.rule.offset_ns)
    found = await ask.value(owner.rule, owner.tenant, at)
    _check(found, group)
    return found


def _seen(found: Matrix, step: int) -> list[Seen]:
    later = np.logical_or.reduce(found.present[:, step + 1 :], axis=1)
    return [Seen(found.labels[row], value, not later[row]) for row, value in at_step(found, step)]


def _check(found: Matrix, group: Group) -> None:
    most = min(group.limit or limits.RULE_SERIES, limits.RULE_SERIES)
    if len(found.labels) > most:
        bound = "the limit of its group" if most == group.limit else "RULE_SERIES"
        raise QueryError(f"the rule gives {len(found.labels)} series, more than {most} ({bound})")


def _check_unique(held: list[Held]) -> None:
    if len({one.labels for one in held}) < len(held):
        raise QueryError("two series become one alert: their labels are alike with the rule's")


def _check_size(alerts: Iterable[Alert]) -> None:
    for one in alerts:
        if reason := alertbounds.alert(one):
            raise QueryError(reason)
