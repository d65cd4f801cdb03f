"""Runs unit tests of rules: the real languages over a store of their own, the real state machine.

All rules of all groups are evaluated at every evaluation interval from the test's start on, as
promtool does it, whatever the interval of their group. Where no rule reads what a later one of the
same evaluation records, each is asked once for many evaluations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import msgspec

from tailrace.alerts.evaluation import activeseries, state
from tailrace.alerts.evaluation.activeseries import Active
from tailrace.alerts.evaluation.expression import Asker, at_step, parsed
from tailrace.alerts.evaluation.recorded import recorded
from tailrace.alerts.evaluation.state import Owner
from tailrace.alerts.evaluation.turn import Seen
from tailrace.alerts.promtool import comparing
from tailrace.alerts.promtool.suite import AlertTest, ExprTest, Lines, Series, Suite, Test
from tailrace.alerts.rule import Group, Rule
from tailrace.alerts.rules.durations import write_duration
from tailrace.alerts.templating.annotator import Outside
from tailrace.alerts.templating.descriptions import Descriptions
from tailrace.core.alerting import Alert, Labels, Phase
from tailrace.core.errors import QueryError
from tailrace.core.limits import RULE_TEST_STEPS
from tailrace.core.metrics import Metrics
from tailrace.core.sample import Sample
from tailrace.query.matrix.matrix import Matrix
from tailrace.query.plan import Grid
from tailrace.query.promql.ast import NAME, Call, Selector, Subquery, walk
from tailrace.query.promql.functions import OF_THE_RANGE

# Evaluations that are asked for at once.
_AT_ONCE = 500


class Bench(Protocol):
    """A store of its own, and who answers from it."""

    @property
    def ask(self) -> Asker: ...

    async def put(self, tenant: str, samples: Sequence[Sample]) -> None:
        """Samples that `ask` sees when this returns."""
        ...

    async def put_lines(
        self, tenant: str, labels: Mapping[str, str], lines: Sequence[tuple[int, str]]
    ) -> None:
        """The same for lines of a stream, each with its time."""
        ...


@dataclass(frozen=True)
class Failure:
    """What is otherwise than expected, by the line of the file that expects it."""

    line: int
    message: str


@dataclass
class _Standing:
    """A rule and how it stands."""

    owner: Owner
    group: Group
    alerts: dict[Labels, Alert] = field(default_factory=dict)
    before: frozenset[Labels] = frozenset()
    active: Active = field(default_factory=dict)


async def failures(
    suite: Suite, test: Test, groups: Sequence[Group], bench: Bench, tenant: str
) -> list[Failure]:
    """What fails of one test. `tenant` is nobody else's. Raises StoreError, Busy, TimeoutError."""
    steps = test.last_ns // suite.interval_ns + 1
    if steps > RULE_TEST_STEPS:
        return [Failure(test.line, f"more than {RULE_TEST_STEPS} evaluations (RULE_TEST_STEPS)")]
    running = _Running(suite, test, groups, bench, tenant)
    await bench.put(tenant, [one for series in test.series for one in _samples(series, test)])
    for stream in test.lines:
        if lines := list(_lines(stream, test)):
            await bench.put_lines(tenant, dict(stream.labels), lines)
    try:
        await running.evaluate(steps)
    except QueryError as error:
        return [Failure(test.line, str(error))]
    found = running.failed
    for expr in test.exprs:
        found += await running.check(expr)
    return sorted(found, key=lambda one: one.line)


class _Running:
    def __init__(
        self, suite: Suite, test: Test, groups: Sequence[Group], bench: Bench, tenant: str
    ) -> None:
        self._suite = suite
        self._test = test
        self._bench = bench
        self._tenant = tenant
        self._rules = _rules(groups, suite, tenant)
        outside = Outside(test.external_labels, test.external_url)
        self._describe = Descriptions(outside, bench.ask, Metrics())
        self.failed: list[Failure] = []

    async def evaluate(self, steps: int) -> None:
        """All rules, up to the last time that is asked for. Raises QueryError."""
        at_once = 1 if _read_ahead([one.owner.rule for one in self._rules]) else _AT_ONCE
        wanted = self._wanted()
        for first in range(0, steps, at_once):
            count = min(at_once, steps - first)
            start_ns = self._test.start_ns + first * self._suite.interval_ns
            on = Grid(start_ns, self._suite.interval_ns, count)
            firing: dict[int, list[Alert]] = {}
            for one in self._rules:
                try:
                    await self._rule(one, on, firing)
                except QueryError as error:
                    rule = one.owner.rule
                    raise QueryError(f"the rule {rule.name} (line {rule.line}): {error}") from None
            for step in range(count):
                for test in wanted.get(first + step, ()):
                    self._compare(test, firing.get(step, []))

    def _wanted(self) -> Mapping[int, list[AlertTest]]:
        """The tests of alerts by the evaluation that is the last one at their time."""
        wanted: dict[int, list[AlertTest]] = {}
        for one in self._test.alerts:
            wanted.setdefault(one.at_ns // self._suite.interval_ns, []).append(one)
        return wanted

    async def _rule(self, one: _Standing, on: Grid, firing: dict[int, list[Alert]]) -> None:
        rule = one.owner.rule
        shifted = replace(on, start_ns=on.start_ns - rule.offset_ns)
        found = await self._bench.ask.value(rule, self._tenant, shifted)
        if rule.record:
            await self._record(one, on, found)
            return
        made: list[Sample] = []
        for step in range(on.steps):
            slot_ns = on.start_ns + step * on.step_ns
            series = [Seen(found.labels[row], value) for row, value in at_step(found, step)]
            held = await self._describe(one.owner, one.group, slot_ns, series)
            if len({alert.labels for alert in held}) < len(held):
                raise QueryError("two series become one alert: their labels are alike")
            one.alerts = state.step(one.owner, one.alerts, slot_ns, held)
            fires = [alert for alert in one.alerts.values() if alert.phase is Phase.FIRING]
            firing.setdefault(step, []).extend(fires)
            active = activeseries.active(one.alerts.values())
            made += activeseries.samples(active, one.active, slot_ns)
            one.active = active
        await self._bench.put(self._tenant, [_stored(sample) for sample in made])

    async def _record(self, one: _Standing, on: Grid, found: Matrix) -> None:
        made = recorded(one.group, one.owner, found, on.last_ns, one.before)
        one.before = frozenset(found.labels[row] for row, _ in at_step(found, on.steps - 1))
        await self._bench.put(self._tenant, [_stored(sample) for sample in made])

    def _compare(self, test: AlertTest, firing: Sequence[Alert]) -> None:
        named = [one for one in firing if dict(one.labels).get("alertname") == test.name]
        if difference := comparing.alerts(test, named):
            time = write_duration(test.at_ns)
            self.failed.append(Failure(test.line, f"{test.name} at {time}:\n{difference}"))

    async def check(self, test: ExprTest) -> list[Failure]:
        """An expression at its time."""
        at = Grid(self._test.start_ns + test.at_ns, self._suite.interval_ns, 1)
        said = f"{test.expr} at {write_duration(test.at_ns)}:"
        try:
            found = await self._bench.ask.value(Rule(test.expr, "promql"), self._tenant, at)
        except QueryError as error:
            return [Failure(test.line, f"{said} {error}")]
        there = [(found.labels[row], value) for row, value in at_step(found, 0)]
        difference = comparing.samples(test, there, self._suite.fuzzy)
        return [Failure(test.line, f"{said}\n{difference}")] if difference else []


def _rules(groups: Sequence[Group], suite: Suite, tenant: str) -> list[_Standing]:
    """In the order of their evaluation: groups that are named come first."""
    places = {name: place for place, name in enumerate(suite.order)}
    ordered = sorted(groups, key=lambda one: places.get(one.name, len(places)))
    return [
        _Standing(Owner(tenant, "", rule), replace(group, interval_ns=suite.interval_ns))
        for group in ordered
        for rule in group.rules
    ]


def _read_ahead(rules: Sequence[Rule]) -> bool:
    """Whether some rule may read what itself or a later one records, or looks at times that its
    evaluation does not say, or is asked time by time anyway."""
    later: set[str] = set()
    for rule in reversed(rules):
        later |= {rule.record} if rule.record else {activeseries.ALERTS, activeseries.FOR_STATE}
        if any("query" in text for _, text in (*rule.labels, *rule.annotations)):
            return True
        if rule.language == "sql" or (rule.language == "promql" and not _reads_back(rule, later)):
            return True
    return False


def _reads_back(rule: Rule, later: set[str]) -> bool:
    for one in walk(parsed("promql", rule.expr)):
        if isinstance(one, Selector | Subquery) and (one.at is not None or one.offset_ns < 0):
            return False
        if isinstance(one, Call) and one.function in OF_THE_RANGE:
            return False
        if isinstance(one, Selector):
            names = {m.value for m in one.matchers if m.name == NAME and m.op == "="}
            if later and (not names or names & later):
                return False
    return True


def _samples(series: Series, test: Test) -> Iterator[Sample]:
    known = dict(series.labels)
    name = known.pop(NAME)
    for number, value in enumerate(series.values):
        time_ns = test.start_ns + number * test.interval_ns
        if value == "stale":
            yield _stored(Sample(time_ns, name, "NaN", attributes=known, stale=True))
        elif value is not None:
            yield _stored(Sample(time_ns, name, value, attributes=known))


def _lines(stream: Lines, test: Test) -> Iterator[tuple[int, str]]:
    for number, count in enumerate(stream.counts):
        time_ns = max(test.start_ns + number * test.interval_ns, 1)
        yield from ((time_ns, stream.line) for _ in range(count))


def _stored(sample: Sample) -> Sample:
    """The store takes 0 for no time, and cuts all times to milliseconds."""
    return sample if sample.time else msgspec.structs.replace(sample, time=1)
