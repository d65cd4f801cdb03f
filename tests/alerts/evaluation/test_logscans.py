"""Rules in LogQL that share what they read give what they give by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.examples import examples
from tests.query.logs.rows import rows

from tailrace.alerts.evaluation.expression import Expressions
from tailrace.alerts.evaluation.kept import Kept
from tailrace.alerts.evaluation.logscans import LogRule, LogScans
from tailrace.alerts.evaluation.logshapes import SERVICE, of_services, shaped
from tailrace.alerts.evaluation.scans import slots_of
from tailrace.alerts.evaluation.slots import slot_at
from tailrace.alerts.rule import Group, Rule
from tailrace.core import limits
from tailrace.core.clock import ManualClock
from tailrace.core.errors import QueryError
from tailrace.query.logql.parser import parse_metric
from tailrace.query.logs.leaf import leaves
from tailrace.query.logs.logs import Logs
from tailrace.query.matrix.matrix import Matrix, as_matrix
from tailrace.query.plan import Grid
from tailrace.query.service import QueryService

SECOND = 1_000_000_000
BASE = 1_767_225_600 * SECOND
EXAMPLES = settings(
    max_examples=examples(15), deadline=None, suppress_health_check=list(HealthCheck)
)

pipelines = st.sampled_from([
    "", '|= "status"', "| json", "| logfmt", '| logfmt | __error__=""', "| json | status > 5",
    '| regexp "status=(?P<service_name>[0-9]+)"', '| pattern "<service_name>=<status>"',
    "| logfmt | drop level", "| logfmt | keep service_name, status",
    '| service_name=~"w.*"', "| label_format a=level", "| logfmt | drop service_name",
    "| logfmt | keep status", "| label_format b=service_name",
    '| json service_name="status"', "| label_format service_name=level",
    '| zone="a"', '| logfmt service_name, status | __error__=""',
])  # fmt: skip
labels = st.lists(
    st.sampled_from(["level", "status", "service_name", "zone", "service_name_extracted"]),
    max_size=2, unique=True,
)  # fmt: skip
plain = st.builds(
    '{}({{service_name="{{service}}"{}}} {} [{}s]{})'.format,
    st.sampled_from([
        "count_over_time", "rate", "bytes_over_time", "bytes_rate", "absent_over_time",
    ]),
    st.sampled_from(["", ', level!="info"', ', host_name=~"h.|x"']),
    pipelines,
    st.sampled_from([5, 20, 60]),
    st.sampled_from(["", "", " offset 10s"]),
)  # fmt: skip


def unwrapping(functions: Sequence[str], groupings: Sequence[str]) -> st.SearchStrategy[str]:
    return st.builds(
        '{}{{service_name="{{service}}"}} {} | unwrap {} | __error__="" [{}s]){}'.format,
        st.sampled_from(functions),
        st.sampled_from(["| logfmt", "| json", "| logfmt | drop service_name"]),
        st.sampled_from(["dur", "status", "duration(dur)", "service_name"]),
        st.sampled_from([5, 60]),
        st.sampled_from(groupings),
    )


unwrapped = st.one_of(
    unwrapping(["sum_over_time(", "rate("], [""]),
    unwrapping(
        [
            "avg_over_time(", "max_over_time(", "first_over_time(", "last_over_time(",
            "quantile_over_time(0.5, ", "stddev_over_time(",
        ],
        ["", " by (level)", " by (service_name)", " by ()", " without (level)",
         " without (service_name)"],
    ),
)  # fmt: skip
grouped = st.builds(
    "{} {} ({})".format,
    st.sampled_from(["sum", "max", "count", "avg"]),
    st.one_of(
        st.just(""),
        labels.map(lambda names: f"by ({', '.join(names)})"),
        labels.map(lambda names: f"without ({', '.join(names)})"),
    ),
    plain,
)
one = st.one_of(plain, unwrapped, grouped)
expressions = st.one_of(
    one,
    st.builds("{} > {}".format, one, st.sampled_from([0, 1, 3])),
    st.builds("({}) {} ({})".format, grouped,
              st.sampled_from(["/", "-", "or", "and", "unless", ">", "/ on (level)",
                               "/ ignoring (service_name)", "and on (service_name)",
                               "* on (level) group_left (service_name)"]), grouped),
    st.builds("{} or vector(0)".format, grouped),
    st.builds('label_replace({}, "a", "$1", "service_name", "(.).*")'.format, one),
    st.builds("topk(50, {})".format, one),
)  # fmt: skip


def load(engine: Any, found: Sequence[dict[str, Any]]) -> str:
    tenant: str = engine.tenant()
    engine.load(tenant, [
        {**{k: v for k, v in row.items() if k != "second"},
         "ns": BASE + row["second"] * SECOND + n, "seq": n}
        for n, row in enumerate(found)
    ])  # fmt: skip
    return tenant


def shared(logs: Logs, tenant: str, texts: Sequence[str], grid: Grid) -> LogScans:
    """What shares these, however few they are."""
    clock = ManualClock()
    found = LogScans(logs, Kept(clock), clock)
    rules = [LogRule(tenant, parse_metric(text), slots_of(grid)) for text in texts]
    asyncio.run(found.load(rules * limits.SCAN_RULES))
    return found


def answer(metric: Any, text: str, tenant: str, grid: Grid) -> Any:
    """Series by labels, each of (value, variance) or None at each step; or the words of the
    error."""
    try:
        found = as_matrix(asyncio.run(metric(parse_metric(text), tenant, grid))).without_empty()
    except QueryError as error:
        return str(error).partition(":")[0]
    return {own: _steps(found, row) for row, own in enumerate(found.labels)}


def _steps(found: Matrix, row: int) -> list[tuple[float, float] | None]:
    unknown = np.full(found.values.shape, -1.0)
    variance = unknown if found.variance is None else found.variance
    return [
        (float(found.values[row, step]), float(variance[row, step])) if there else None
        for step, there in enumerate(found.present[row])
    ]


def same(left: Any, right: Any) -> bool:
    if isinstance(left, str) or isinstance(right, str):
        return bool(left == right)
    return left.keys() == right.keys() and all(
        (a is None) == (b is None)
        and (a is None or np.allclose(a, b, rtol=1e-9, atol=0, equal_nan=True))
        for own, steps in left.items()
        for a, b in zip(steps, right[own], strict=True)
    )


@EXAMPLES
@given(
    found=rows, expression=expressions, start=st.integers(0, 40), steps=st.sampled_from([1, 1, 4])
)
def test_a_rule_gives_what_it_gives_by_itself(
    engine: Any, found: list[dict[str, Any]], expression: str, start: int, steps: int
) -> None:
    tenant = load(engine, found)
    logs = Logs(QueryService(engine))
    grid = Grid(BASE + start * SECOND, 15 * SECOND, steps)
    texts = [expression.replace("{service}", name) for name in ("web", "api", "nobody")]
    scans = shared(logs, tenant, texts, grid)
    for text in texts:
        alone = answer(Logs(QueryService(engine)).metric, text, tenant, grid)
        assert same(answer(scans.metric, text, tenant, grid), alone), text


def of_web_that_is_as_alone(engine: Any, tenant: str, expression: str, grid: Grid) -> Any:
    """What the expression gives of the service "web", where S stands for a service and what it
    gives of each is read together; asserts that each is what it is alone."""
    texts = [expression.replace("S", f'service_name="{name}"') for name in ("web", "api", "none")]
    scans = shared(Logs(QueryService(engine)), tenant, texts, grid)
    found = [answer(scans.metric, text, tenant, grid) for text in texts]
    for text, one in zip(texts, found, strict=True):
        assert same(one, answer(Logs(QueryService(engine)).metric, text, tenant, grid)), text
    return found[0]


@pytest.mark.parametrize("expression", [
    'sum(rate({S, level="error"}[1m])) / sum(rate({S}[1m])) > 0.1',
    'sum by (level) (count_over_time({S} |= "status" [1m]))',
    "sum by (service_name, status) (count_over_time({S} | logfmt [1m]))",
    "count_over_time({S}[1m])",
    "sum without (level) (bytes_rate({S}[30s] offset 10s))",
    "avg_over_time({S} | logfmt | unwrap dur [1m]) by (level)",
    "max by (status) (max_over_time({S} | logfmt | unwrap dur [1m]))",
    "quantile_over_time(0.9, {S} | logfmt | unwrap dur [1m]) by ()",
    "sum_over_time({S} | logfmt | unwrap dur [1m])",
    "absent_over_time({S}[1m])",
    "sum(count_over_time({S}[1m])) or vector(0)",
    "topk(2, sum by (status) (count_over_time({S} | logfmt [1m])))",
    "sum by (level) (rate({S}[1m])) and on (level) sum by (level) (rate({S}[10s])) > 0",
])  # fmt: skip
@pytest.mark.parametrize("steps", [1, 4])
def test_sampled_rows_of_one_service_change_nothing_for_another(
    engine: Any, expression: str, steps: int
) -> None:
    tenant = load(engine, [
        {"second": n, "body": f"status={n % 3} dur={n}.5", "severity": 9 + n % 2 * 8,
         "service": ("web", "api")[n % 5 // 3], "weight": 20 if n % 5 > 2 and n % 4 else 1}
        for n in range(60)
    ])  # fmt: skip
    grid = Grid(BASE + 15 * SECOND, 15 * SECOND, steps)
    assert of_web_that_is_as_alone(engine, tenant, expression, grid) or "absent" in expression


WEEK = 7 * 86_400 * SECOND


@pytest.mark.parametrize("expression", [
    "weekly_baseline(sum(count_over_time({S}[1m])))",
    "weekly_robust_zscore(sum by (level) (rate({S}[10m])), 3) > 0.1",
    "sum(rate({S}[10m])) / weekly_baseline(sum(rate({S}[10m])), 2)",
    "weekly_baseline(topk(1, sum by (level) (count_over_time({S}[1m]))))",
    "weekly_robust_zscore(absent_over_time({S}[1m]) or count_over_time({S}[20m]), 3)",
])  # fmt: skip
@pytest.mark.parametrize("steps", [1, 4])
def test_weekly_rules_give_together_what_they_give_by_themselves(
    engine: Any, expression: str, steps: int
) -> None:
    tenant = load(engine, [
        {"second": n % 7 * 600 - 1_800 + n % 40 - week * WEEK // SECOND, "body": "x",
         "severity": 9 + n % 2 * 8, "service": ("web", "api")[n % 5 // 3],
         "weight": 20 if n % 5 > 2 and n % 4 else 1}
        for week in range(4) for n in range(week, 90)
    ])  # fmt: skip
    grid = Grid(BASE + 45 * SECOND, 15 * SECOND, steps)
    assert of_web_that_is_as_alone(engine, tenant, expression, grid)


def test_each_week_of_weekly_rules_is_read_in_one_statement(engine: Any) -> None:
    tenant = engine.tenant()
    engine.load(tenant, [{"service": f"s{n}", "seq": n} for n in range(3)])
    counted = 'sum(count_over_time({service_name="sN"}[1m]))'
    texts = [f"{counted} - weekly_baseline({counted})".replace("N", str(n)) for n in range(3)]
    grid = Grid(BASE + 30 * SECOND, 15 * SECOND, 1)
    scans = shared(Logs(QueryService(engine)), tenant, texts, grid)

    async def whole() -> None:
        for text in texts:
            await scans.metric(parse_metric(text), tenant, grid)

    engine.statements.clear()
    asyncio.run(whole())
    assert len(engine.statements) == 1 + 4


def test_many_services_are_asked_for_by_their_names(engine: Any) -> None:
    tenant = engine.tenant()
    names = [f"s.{n}|x" for n in range(20)]
    engine.load(tenant, [{"service": name, "seq": n} for n, name in enumerate(names)])
    [(leaf, _)] = leaves(parse_metric('sum(count_over_time({service_name="s.0|x"}[1m]))'))
    known = shaped(leaf)
    assert known is not None
    engine.statements.clear()
    logs = Logs(QueryService(engine))
    found = asyncio.run(logs.leaf(of_services(known[0], names[:7]), tenant, Grid(BASE, SECOND, 1)))
    assert sorted(found.labels) == [((SERVICE, name),) for name in sorted(names[:7])]
    assert "ServiceName IN" in engine.statements[-1]


@pytest.mark.parametrize("more", [{}, {"min_confidence": 0.9}, {"offset_ns": 5 * SECOND}])
def test_rules_of_a_group_are_read_in_one_statement(engine: Any, more: dict[str, Any]) -> None:
    tenant = engine.tenant()
    engine.load(tenant, [{"service": f"s{n % 3}", "seq": n} for n in range(9)])
    rules = tuple(
        Rule(f'sum(count_over_time({{service_name="s{n}"}}[1m])) > 2', "logql", alert="A", **more)
        for n in range(3)
    )
    group = Group(tenant, "rules.yml", "g", rules, 15 * SECOND)
    slot_ns = slot_at(group, BASE + 30 * SECOND)

    async def whole() -> list[Matrix]:
        asker = Expressions(QueryService(engine))
        await asker.load([group])
        engine.statements.clear()
        return [
            await asker.value(rule, tenant, Grid(slot_ns - rule.offset_ns, group.interval_ns, 1))
            for rule in rules
        ]

    found = asyncio.run(whole())
    assert [one.values.tolist() for one in found] == [[[3.0]]] * 3
    assert len(engine.statements) == 1


def test_a_rate_a_count_and_the_absence_of_rows_are_read_in_one_statement(engine: Any) -> None:
    tenant = engine.tenant()
    engine.load(tenant, [{"service": f"s{n % 3}", "seq": n} for n in range(9)])
    texts = [
        text.format(f'({{service_name="s{n}"}}[1m])')
        for text in ("sum(rate{})", "sum(count_over_time{})", "absent_over_time{}")
        for n in range(3)
    ]
    grid = Grid(BASE + SECOND, 15 * SECOND, 1)
    rules = [LogRule(tenant, parse_metric(text), slots_of(grid)) for text in texts]

    async def whole() -> list[Any]:
        clock = ManualClock()
        scans = LogScans(Logs(QueryService(engine)), Kept(clock), clock)
        await scans.load(rules)
        engine.statements.clear()
        return [as_matrix(await scans.metric(one.query, tenant, grid)) for one in rules]

    found = asyncio.run(whole())
    assert [one.values.tolist() for one in found] == [[[0.05]]] * 3 + [[[3.0]]] * 3 + [[]] * 3
    assert len(engine.statements) == 1
