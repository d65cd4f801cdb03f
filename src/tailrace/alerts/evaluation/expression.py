"""The expression of a rule at its slots, whatever its language."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from tailrace.alerts.evaluation.confidence import passing, threshold
from tailrace.alerts.evaluation.kept import Kept
from tailrace.alerts.evaluation.logscans import LogRule, LogScans
from tailrace.alerts.evaluation.samplescans import SampleRule, SampleScans
from tailrace.alerts.evaluation.scans import Slots
from tailrace.alerts.evaluation.slots import phase_ns as phase_of
from tailrace.alerts.evaluation.statements import Statements
from tailrace.alerts.rule import Group, Language, Rule
from tailrace.core.errors import QueryError
from tailrace.query.bounds.question import Question, asking
from tailrace.query.logql.parser import parse_metric
from tailrace.query.logs.logs import Logs
from tailrace.query.matrix.matrix import Matrix, Scalar, as_matrix
from tailrace.query.plan import Grid
from tailrace.query.promql.kinds import SHOWN, kind
from tailrace.query.promql.parser import parse
from tailrace.query.promql.samples import Samples
from tailrace.query.service import QueryService

# Texts that are kept parsed; a process has some thousand rules.
_PARSED = 4_096


class Asker(Protocol):
    """Who can tell the value of a rule's expression at each step of a grid.

    Of several steps it may tell the first ones only, one at least, where all of them would take
    too long. Raises QueryError, Busy, StoreError and TimeoutError.
    """

    async def value(self, rule: Rule, tenant: str, grid: Grid) -> Matrix: ...


class Expressions:
    """An Asker over the query room. What the rules of `load` have in common is asked once."""

    def __init__(self, service: QueryService) -> None:
        kept = Kept(service.clock)
        self._logs = LogScans(Logs(service), kept, service.clock)
        self._samples = SampleScans(Samples(service), kept, service.clock)
        self._statements = Statements(service)

    async def load(self, groups: Iterable[Group]) -> None:
        """These are the rules from here on."""
        groups = list(groups)
        await self._logs.load(_logql(groups))
        await self._samples.load(_promql(groups))

    async def value(self, rule: Rule, tenant: str, grid: Grid) -> Matrix:
        """See Asker. A number is one series without labels."""
        with asking(Question(tenant, rule.expr)):
            if rule.language == "sql":
                return await self._statements.matrix(rule, tenant, grid)
            tree = parsed(rule.language, rule.expr)
            if rule.language == "promql":
                found = await self._samples.value(tree, tenant, grid)
            elif rule.min_confidence:
                passed = threshold(tree)
                measured = await self._logs.metric(passed.measured, tenant, grid)
                return passing(as_matrix(measured), passed, rule.min_confidence)
            else:
                found = await self._logs.metric(tree, tenant, grid)
        if isinstance(found, Scalar) and rule.alert:
            return _true(found)
        return as_matrix(found).without_empty()


def _logql(groups: Iterable[Group]) -> Iterator[LogRule]:
    for tenant, rule, tree, slots in _rules(groups, "logql"):
        query = threshold(tree).measured if rule.min_confidence else tree
        yield LogRule(tenant, query, slots)


def _promql(groups: Iterable[Group]) -> Iterator[SampleRule]:
    for tenant, _, tree, slots in _rules(groups, "promql"):
        yield SampleRule(tenant, tree, slots)


def _rules(groups: Iterable[Group], language: Language) -> Iterator[tuple[str, Rule, Any, Slots]]:
    """Rules in a language with what they ask and when, but for those that cannot be asked."""
    for group in groups:
        for rule in group.rules:
            if rule.language == language:
                with suppress(QueryError):
                    phase_ns = (phase_of(group) - rule.offset_ns) % group.interval_ns
                    tree = parsed(rule.language, rule.expr)
                    yield group.tenant, rule, tree, Slots(group.interval_ns, phase_ns)


def _true(number: Scalar) -> Matrix:
    """A number that is to alert: one series wherever it is not 0."""
    found = as_matrix(number)
    return Matrix(found.labels, found.values, found.values != 0).without_empty()


@lru_cache(maxsize=_PARSED)
def parsed(language: Language, text: str) -> Any:
    """The tree of an expression in PromQL or LogQL that gives numbers or a vector. Raises
    QueryError with its place in the text."""
    return _PARSERS[language](text)


def _parse_promql(text: str) -> Any:
    tree = parse(text)
    if kind(tree) not in ("scalar", "vector"):
        raise QueryError(f"a rule needs numbers or a vector, not {SHOWN[kind(tree)]}", 0)
    return tree


_PARSERS: dict[Language, Callable[[str], Any]] = {"promql": _parse_promql, "logql": parse_metric}


def at_step(found: Matrix, step: int) -> list[tuple[int, float]]:
    """The number and the value of each series that has one at a step."""
    rows = np.flatnonzero(found.present[:, step])
    return [(int(row), float(found.values[row, step])) for row in rows]
