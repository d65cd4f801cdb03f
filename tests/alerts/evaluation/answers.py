"""An Asker whose answers a test writes down, and what stands around an evaluator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tailrace.alerts.evaluation.state import Held, Owner
from tailrace.alerts.evaluation.turn import Seen
from tailrace.alerts.rule import Group, Rule
from tailrace.core.alerting import Labels
from tailrace.query.matrix.matrix import Matrix, matrix_of
from tailrace.query.plan import Grid

S = 1_000_000_000
NOW_S = 1_800_000_000
# The series that an expression gives at a time, UTC seconds.
Answer = Callable[[int], Mapping[Labels, float]]


class Answers:
    """By expression, of the first `steps` of a grid. Exceptions among the answers are raised."""

    def __init__(
        self, answers: Mapping[str, Answer | Exception] | None = None, steps: int = 10_000
    ) -> None:
        self.answers = dict(answers or {})
        self.steps = steps
        self.asked: list[tuple[str, Grid]] = []

    async def value(self, rule: Rule, tenant: str, grid: Grid) -> Matrix:
        self.asked.append((rule.expr, grid))
        answer = self.answers[rule.expr]
        if isinstance(answer, Exception):
            raise answer
        count = min(grid.steps, self.steps)
        steps = [answer((grid.start_ns + n * grid.step_ns) // S) for n in range(count)]
        labels = dict.fromkeys(label for step in steps for label in step)
        return matrix_of({label: [step.get(label) for step in steps] for label in labels}, count)


async def describe(owner: Owner, _group: Group, _slot_ns: int, found: Sequence[Seen]) -> list[Held]:
    """Without templates."""
    return [_held(owner, one.labels, one.value) for one in found]


def _held(owner: Owner, labels: Labels, value: float) -> Held:
    named = {**dict(labels), **dict(owner.rule.labels), "alertname": owner.rule.name}
    return Held(tuple(sorted(named.items())), owner.rule.annotations, value)


def group(*rules: Rule, name: str = "g", interval_s: int = 15, **more: Any) -> Group:
    return Group("shop", "rules.yml", name, rules, interval_s * S, **more)


def alerting(expr: str = "up == 0", for_s: int = 0, name: str = "Down") -> Rule:
    return Rule(expr, "promql", alert=name, for_ns=for_s * S)


def when(holds: Callable[[int], bool], labels: Labels = (("host", "a"),)) -> Answer:
    """One series, wherever `holds` says so."""
    return lambda second: {labels: 1.0} if holds(second) else {}
