"""Rules in PromQL that share what they read give what they give by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.query.conftest import BASE_S, ChdbEngine, Points
from tests.query.promql import queries
from tests.query.promql.test_reference import grids, load, stores

from tailrace.alerts.evaluation.expression import Expressions
from tailrace.alerts.evaluation.slots import phase_ns
from tailrace.alerts.rule import Group, Rule
from tailrace.core import limits
from tailrace.core.errors import QueryError
from tailrace.query.logql.ast import Matcher
from tailrace.query.matrix.matrix import Matrix
from tailrace.query.plan import Grid
from tailrace.query.promql.ast import (
    Aggregation,
    Binary,
    Call,
    Expression,
    Negative,
    Selector,
    Subquery,
    Window,
)
from tailrace.query.promql.text import text
from tailrace.query.service import QueryService

SECOND = 1_000_000_000
BASE = BASE_S * SECOND
STEP = 15 * SECOND
STALE = "reinterpretAsFloat64(toUInt64(9218868437227405314))"
SERVICES = ("web", "api", "nobody")
FEW = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(FEW, max_examples=2_000)


def group(tenant: str, texts: Sequence[str], grid: Grid, **more: Any) -> Group:
    """Rules whose slots are the steps of `grid`."""
    whole = Group(tenant, "rules.yml", "g", (), grid.step_ns)
    more["offset_ns"] = (phase_ns(whole) - grid.start_ns) % grid.step_ns
    rules = (Rule(one, "promql", **{"record": f"r:{n}", **more}) for n, one in enumerate(texts))
    return replace(whole, rules=tuple(rules))


def sharing(engine: ChdbEngine, *groups: Group) -> Expressions:
    """An asker that shares what the rules of these groups read, however few they are."""
    found = Expressions(QueryService(engine))
    asyncio.run(found.load(list(groups) * limits.SCAN_RULES))
    return found


def answer(asker: Expressions, rule: Rule, tenant: str, grid: Grid) -> Any:
    """Series in their order, each with its values or None; or the words of the error."""
    try:
        found = asyncio.run(asker.value(rule, tenant, grid))
    except QueryError as error:
        return str(error)
    return [(labels, _steps(found, row)) for row, labels in enumerate(found.labels)]


def _steps(found: Matrix, row: int) -> list[float | None]:
    pairs = zip(found.values[row], found.present[row], strict=True)
    return [float(value) if there else None for value, there in pairs]


def same(left: Any, right: Any) -> bool:
    if isinstance(left, str) or isinstance(right, str):
        return bool(left == right)
    left, right = dict(left), dict(right)
    return left.keys() == right.keys() and all(
        (a is None) == (b is None)
        and (a is None or np.allclose(a, b, rtol=1e-9, atol=1e-6, equal_nan=True))
        for own, steps in left.items()
        for a, b in zip(steps, right[own], strict=True)
    )


def of_value(tree: Expression, label: str, value: str) -> Expression:
    """The tree with one more matcher in each selector."""

    def inside(one: Expression) -> Any:
        return of_value(one, label, value)

    match tree:
        case Selector():
            return replace(tree, matchers=(Matcher(label, "=", value), *tree.matchers))
        case Window():
            return replace(tree, selector=inside(tree.selector))
        case Subquery() | Negative() | Aggregation():
            return replace(tree, inner=inside(tree.inner))
        case Call():
            return replace(tree, arguments=tuple(map(inside, tree.arguments)))
        case Binary():
            return replace(tree, left=inside(tree.left), right=inside(tree.right))
        case _:
            return tree


queried = given(
    series=stores,
    tree=queries.vectors(st.sampled_from([None, None, None, "start"])),
    label=st.sampled_from(queries.LABELS),
    on=grids,
    kind=st.sampled_from(["record", "alert"]),
)


def check(
    engine: ChdbEngine, series: Any, tree: Expression, label: str, on: Any, kind: str
) -> None:
    tenant = load(engine, series)
    start, step, steps = on
    grid = Grid(round((BASE_S + start) * 1000) * 10**6, round(step * SECOND), steps)
    texts = [text(of_value(tree, label, value)) for value in ("x", "y", "1", "nobody")]
    rules = group(tenant, [*texts, text(tree)], grid, **{kind: "R"})
    asker = sharing(engine, rules)
    for rule in rules.rules:
        alone = answer(Expressions(QueryService(engine)), rule, tenant, grid)
        assert same(answer(asker, rule, tenant, grid), alone), rule.expr


@FEW
@queried
def test_a_rule_gives_what_it_gives_by_itself(engine: ChdbEngine, **drawn: Any) -> None:
    check(engine, **drawn)


@pytest.mark.soak
@MANY
@queried
def test_thousands_of_rules_give_what_they_give_by_themselves(
    engine: ChdbEngine, **drawn: Any
) -> None:
    check(engine, **drawn)


@cache
def shop(engine: ChdbEngine) -> str:
    """Requests of two services by two hosts, of which one series ends and one begins late."""
    tenant = engine.tenant()
    found: list[Points] = []
    for n, (service, host) in enumerate([("web", "h1"), ("web", "h2"), ("api", "h1")]):
        for code in ("200", "500"):
            labels = {"service": service, "instance": host, "code": code, "zone.name": "z"}
            ticks = [(t * 15.0, (t + n) * (3 + n) % 40) for t in range(60)]
            found.append(("requests", labels, [*ticks]))
        ends = [(t * 15.0, (t + 5) % 7) for t in range(50)]
        found.append(("queue", {"service": service, "instance": host}, [*ends, (750.0, STALE)]))
    found.append(("queue", {"service": "api", "instance": "h9"}, [(880.0, 7)]))
    engine.load_samples(tenant, found)
    return tenant


SHARED = [
    "queue{S}",
    "queue{S} > 3",
    'sum(rate(requests{S, code="500"}[5m])) / sum(rate(requests{S}[5m])) > 0.01',
    "sum by (instance) (increase(requests{S}[2m]))",
    "sum without (code) (rate(requests{S}[2m] offset 1m))",
    'avg by (service) (irate(requests{S, service!~"b.*"}[2m]))',
    'count by (code) (requests{S, service!="api"})',
    'requests{S, service=~"w.+", code=~"2..|500"}',
    "max_over_time(queue{S}[5m]) > 2",
    "avg_over_time(queue{S}[5m]) + changes(queue{S}[2m])",
    "last_over_time(queue{S}[1h])",
    "absent(queue{S})",
    "absent_over_time(queue{S}[1m])",
    "sum(queue{S}) or vector(0)",
    "timestamp(queue{S})",
    "topk(2, requests{S})",
    "bottomk by (code) (1, requests{S})",
    "limitk(1, requests{S})",
    'label_replace(queue{S}, "a", "$1", "service", "(.).*")',
    "queue{S} and on (instance) rate(requests{S}[5m])",
    '{"requests", S, "zone.name"="z"}',
    "avg(requests{S}) + time() - start()",
]
LEFT = [
    "max_over_time(rate(requests{S}[1m])[5m:30s])",
    "rate(requests{S}[1m]) >= min_over_time(rate(requests{S}[1m])[5m:15s])",
    "queue{S} @ start()",
    "quantile_over_time(0.9, queue{S}[5m])",
]


def rules_of(tenant: str, expression: str, grid: Grid) -> Group:
    texts = [expression.replace("S", f'service="{name}"', 9) for name in SERVICES]
    return group(tenant, texts, grid)


@pytest.mark.parametrize("steps", [1, 12])
@pytest.mark.parametrize("expression", [*SHARED, *LEFT])
def test_what_one_rule_of_each_service_gives_and_asks(
    engine: ChdbEngine, expression: str, steps: int
) -> None:
    tenant = shop(engine)
    grid = Grid(BASE + 735 * SECOND, STEP, steps)
    rules = rules_of(tenant, expression, grid)
    alone = [answer(Expressions(QueryService(engine)), one, tenant, grid) for one in rules.rules]
    assert any(alone)
    asker = sharing(engine, rules)
    engine.statements.clear()
    found = [answer(asker, one, tenant, grid) for one in rules.rules]
    assert all(map(same, found, alone)), (found, alone)
    # One for the series of each leaf, and one for what they are.
    shared = len(engine.statements) <= 2 * expression.count("{")
    assert shared == (expression in SHARED)


def test_series_are_in_the_same_order_as_alone(engine: ChdbEngine) -> None:
    tenant = engine.tenant()
    engine.load_samples(tenant, [
        ("m", {"service": name, "id": str(n)}, [(0, 1)]) for name in SERVICES for n in range(300)
    ])  # fmt: skip
    grid = Grid(BASE, STEP, 1)
    rules = rules_of(tenant, "topk(3, m{S})", grid)
    asker = sharing(engine, rules)
    for rule in rules.rules:
        alone = answer(Expressions(QueryService(engine)), rule, tenant, grid)
        assert answer(asker, rule, tenant, grid) == alone


def test_a_name_in_quotes_is_spelled_as_it_is_stored_in_its_own_rule(engine: ChdbEngine) -> None:
    tenant = shop(engine)
    grid = Grid(BASE + 735 * SECOND, STEP, 1)
    texts = [one % name for name in SERVICES for one in ('queue{service="%s"}',
             'queue{service="%s", "instance"!="h9"}', 'requests{service="%s"}',
             '{"requests", service="%s"}')]  # fmt: skip
    rules = group(tenant, texts, grid)
    asker = sharing(engine, rules)
    found = [answer(asker, rule, tenant, grid) for rule in rules.rules]
    names = [{name for labels, _ in one for name, _ in labels if "zone" in name} for one in found]
    assert names == [set(), set(), {"zone_name"}, {"zone.name"}] * 2 + [set()] * 4


def test_rules_that_are_alike_but_for_their_threshold_are_read_once(engine: ChdbEngine) -> None:
    tenant = shop(engine)
    grid = Grid(BASE + 735 * SECOND, STEP, 1)
    texts = [f"sum by (service) (rate(requests[5m])) > {n}" for n in range(3)]
    rules = group(tenant, texts, grid)
    asker = sharing(engine, rules)
    engine.statements.clear()
    for rule in rules.rules:
        answer(asker, rule, tenant, grid)
    assert len(engine.statements) == 2


def test_rules_may_differ_in_any_label(engine: ChdbEngine) -> None:
    tenant = shop(engine)
    grid = Grid(BASE + 735 * SECOND, STEP, 1)
    texts = [f'requests{{instance="h{n}", service="web", zone_name="z"}}' for n in range(1, 4)]
    rules = group(tenant, texts, grid)
    asker = sharing(engine, rules)
    engine.statements.clear()
    found = [answer(asker, rule, tenant, grid) for rule in rules.rules]
    assert [len(one) for one in found] == [2, 2, 0]
    assert len(engine.statements) == 2


def test_a_tenant_sees_its_own_series_and_no_others(engine: ChdbEngine) -> None:
    one, other = engine.tenant(), engine.tenant()
    engine.load_samples(one, [("m", {"service": "web"}, [(0, 1)])])
    engine.load_samples(other, [("m", {"service": "web"}, [(0, 2)])])
    grid = Grid(BASE, STEP, 1)
    groups = [rules_of(tenant, "m{S}", grid) for tenant in (one, other)]
    asker = sharing(engine, *groups)
    values = [
        [labelled[1] for labelled in answer(asker, rule, found.tenant, grid)]
        for found in groups
        for rule in found.rules[:2]
    ]
    assert values == [[[1.0]], [], [[2.0]], []]


def test_two_series_that_become_one_are_an_error_of_their_own_rule(engine: ChdbEngine) -> None:
    tenant = engine.tenant()
    engine.load_samples(tenant, [
        ("m", {"service": "web", "a.b": "x"}, [(0, 1)]),
        ("m", {"service": "web", "a-b": "x"}, [(0, 1)]),
        ("m", {"service": "api"}, [(0, 1)]),
    ])  # fmt: skip
    grid = Grid(BASE, STEP, 1)
    rules = rules_of(tenant, "m{S}", grid)
    asker = sharing(engine, rules)
    found = [answer(asker, rule, tenant, grid) for rule in rules.rules]
    assert "two series would have the same labels" in found[0]
    assert [len(one) for one in found[1:]] == [1, 0]


@pytest.mark.parametrize(("limit", "most", "expression"), [
    ("QUERY_SERIES_SUMMED", 4, "sum(m{S})"),
    ("QUERY_CELLS_SUMMED", 4, "sum(m{S})"),
    ("QUERY_VALUES", 8, "max_over_time(m{S}[1m])"),
])  # fmt: skip
def test_the_limits_of_a_rule_are_those_of_its_own_series(
    engine: ChdbEngine, monkeypatch: pytest.MonkeyPatch, limit: str, most: int, expression: str
) -> None:
    monkeypatch.setattr(limits, limit, most)
    monkeypatch.setattr("tailrace.query.promql.points.QUERY_VALUES", limits.QUERY_VALUES)
    tenant = engine.tenant()
    sizes = {"web": 5, "api": 3, "nobody": 4}
    engine.load_samples(tenant, [
        ("m", {"service": name, "id": str(n)}, [(0, 1), (10, 2)])
        for name, size in sizes.items() for n in range(size)
    ])  # fmt: skip
    grid = Grid(BASE + 15 * SECOND, STEP, 1)
    rules = rules_of(tenant, expression, grid)
    alone = [answer(Expressions(QueryService(engine)), rule, tenant, grid) for rule in rules.rules]
    assert isinstance(alone[0], str)
    assert not any(isinstance(one, str) for one in alone[1:])
    asker = sharing(engine, rules)
    assert [answer(asker, rule, tenant, grid) for rule in rules.rules] == alone


def test_a_rule_sees_what_another_one_recorded_at_its_next_slot(engine: ChdbEngine) -> None:
    tenant = engine.tenant()
    engine.load_samples(tenant, [("m", {"service": name}, [(0, 1)]) for name in SERVICES])
    grid = Grid(BASE + 15 * SECOND, STEP, 1)
    rules = rules_of(tenant, "count({S})", grid)
    asker = sharing(engine, rules)
    first, second, _ = rules.rules
    assert answer(asker, first, tenant, grid) == [((), [1.0])]
    engine.load_samples(tenant, [("recorded", {"service": "api"}, [(15, 1)])])
    assert answer(asker, second, tenant, grid) == [((), [1.0])]
    assert answer(asker, second, tenant, replace(grid, start_ns=grid.start_ns + STEP)) == [
        ((), [2.0])
    ]


WEEK_S = 7 * 86_400


@pytest.mark.parametrize("expression", [
    'sum(rate(m{service="S"}[10m])) / weekly_baseline(sum(rate(m{service="S"}[10m])), 2)',
    'weekly_robust_zscore(max(m{service="S"}), 3)',
    'sum(m{service="S"}) - sum(weekly_baseline(m{service="S"}, 1))',
])  # fmt: skip
@pytest.mark.parametrize("steps", [1, 4])
def test_rules_on_the_weeks_before_share_what_they_read_of_each(
    engine: ChdbEngine, expression: str, steps: int
) -> None:
    tenant, grid = engine.tenant(), Grid(BASE + 45 * SECOND, STEP, steps)
    engine.load_samples(tenant, [
        ("m", {"service": name, "id": str(n)},
         [(minute * 60 - week * WEEK_S, (minute * (n + 3) + week) % 17)
          for week in range(4) for minute in range(-60, 60)])
        for name in SERVICES[:2] for n in range(2)
    ])  # fmt: skip
    rules = group(tenant, [expression.replace("S", name) for name in SERVICES], grid)
    asker, gave = sharing(engine, rules), 0
    for rule in rules.rules:
        found = asyncio.run(asker.value(rule, tenant, grid))
        alone = asyncio.run(Expressions(QueryService(engine)).value(rule, tenant, grid))
        assert list(found.labels) == list(alone.labels)
        assert (found.present == alone.present).all()
        assert np.allclose(found.values[found.present], alone.values[alone.present], equal_nan=True)
        gave += int(found.present.sum())
    assert gave
    engine.statements.clear()
    asker, counts = sharing(engine, rules), []
    for rule in rules.rules:
        asyncio.run(asker.value(rule, tenant, grid))
        counts.append(len(engine.statements))
    assert counts == counts[:1] * len(SERVICES)
