"""What a rule in SQL can reach, and that it counts as a rule in LogQL does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.alerts.evaluation.answers import describe
from tests.examples import examples
from tests.query.logs.rows import rows
from tests.query.sql.sql_asking import BASE, MARKER, SECOND, load
from tests.query.sql.sql_hostile import ORACLES, REFUSED

from tailrace.alerts.evaluation.expression import Expressions
from tailrace.alerts.evaluation.state import Owner
from tailrace.alerts.evaluation.turn import Standing, evaluated
from tailrace.alerts.rule import Group, Language, Rule
from tailrace.alerts.rules.language import check
from tailrace.core.clock import ManualClock
from tailrace.core.errors import QueryError
from tailrace.query.bounds.allowance import Allowance, Policy
from tailrace.query.matrix.matrix import Matrix
from tailrace.query.plan import Grid
from tailrace.query.service import QueryService

EXAMPLES = settings(
    max_examples=examples(10), deadline=None, suppress_health_check=list(HealthCheck)
)
HOUR_NS = 3_600 * SECOND


@pytest.fixture(scope="module")
def mine(engine: Any) -> str:
    """A tenant beside another, see sql_asking."""
    return load(engine).tenant


def asked(engine: Any, expr: str, tenant: str, **allowed: Any) -> Matrix:
    """Over all rows of a tenant, at two slots: the second one is not looked at by the engine."""
    policy = Policy(Allowance(**allowed))
    ask = Expressions(QueryService(engine, clock=ManualClock(BASE), policy=policy))
    one = Rule(expr, "sql", alert="A", since_ns=HOUR_NS)
    return asyncio.run(ask.value(one, tenant, Grid(BASE + HOUR_NS - SECOND, SECOND, 2)))


def test_whatever_is_refused_by_the_api_is_refused_in_a_rule(engine: Any, mine: str) -> None:
    evaluated = []
    for expr in REFUSED:
        try:
            check(expr, "sql")
        except QueryError:
            continue
        evaluated.append(expr)
        with pytest.raises(QueryError):
            asked(engine, expr, mine)
    assert len(evaluated) < len(REFUSED) / 20, "nearly all are refused when they are read"


def test_conditions_are_not_looked_at_for_rows_of_others(engine: Any, mine: str) -> None:
    for expr in ORACLES:
        asked(engine, f"SELECT count() AS value FROM ({expr})", mine)


@pytest.mark.parametrize("view", ["logs", "spans", "metrics", "series", "exemplars"])
def test_a_rule_counts_rows_of_its_tenant_alone(engine: Any, mine: str, view: str) -> None:
    found = asked(engine, f"SELECT toString(tuple(*)) AS row, 1 AS value FROM {view}", mine)
    assert found.labels
    assert MARKER not in str(found.labels)


MANY = "(SELECT arrayJoin(range(100000)) AS a)"


def test_a_statement_that_does_not_end_is_stopped(engine: Any, mine: str) -> None:
    endless = f"SELECT count() AS value FROM {MANY} AS x, {MANY} AS y WHERE x.a * y.a % 7 = 3"
    with pytest.raises(TimeoutError, match=r"query\.timeout"):
        asked(engine, endless, mine, timeout_s=0.2)


@pytest.mark.parametrize(
    ("expr", "words"),
    [
        ("SELECT Body, 1 AS value FROM logs", "query.read_rows"),
        ("SELECT arrayJoin(range(100000000)) AS value", "SQL_MEMORY_BYTES"),
        ("SELECT 1 AS value FROM logs WHERE Timestamp > toDateTime('x')", "Cannot parse"),
    ],
)
def test_a_statement_has_the_bounds_of_the_api(
    engine: Any, mine: str, expr: str, words: str
) -> None:
    with pytest.raises(QueryError, match=words):
        asked(engine, expr, mine, read_rows=2)


def alerts(
    engine: Any, tenant: str, language: Language, expr: str, for_s: int, turns: Sequence[int]
) -> tuple[Any, ...]:
    """How a rule stands after so many slots in each of its turns."""
    ask = Expressions(QueryService(engine, clock=ManualClock(BASE)))
    one = Rule(expr, language, alert="A", for_ns=for_s * SECOND, since_ns=30 * SECOND)
    group = Group(tenant, "rules.yml", "g", (one,), 15 * SECOND)
    owner = Owner(tenant, "r", one)
    slot_ns, standing = BASE, Standing({}, BASE)
    for turn in turns:
        slot_ns += turn * 15 * SECOND
        after, _ = asyncio.run(evaluated(owner, group, standing, slot_ns, ask, describe))
        standing = after
    return tuple(sorted((one.labels, one) for one in standing.alerts.values()))


@EXAMPLES
@given(
    found=rows,
    least=st.integers(0, 3),
    for_s=st.sampled_from([0, 15, 30]),
    turns=st.sampled_from([(1, 1, 1, 1, 1), (5,), (1, 3, 1), (2, 2)]),
    word=st.sampled_from(["", "status"]),
)
def test_a_count_in_sql_gives_the_alerts_of_the_count_in_logql(
    engine: Any, found: list[dict[str, Any]], least: int, for_s: int, turns: Any, word: str
) -> None:
    tenant = engine.tenant()
    engine.load(tenant, [
        {**{k: v for k, v in row.items() if k != "second"},
         "ns": BASE + row["second"] * SECOND, "seq": n}
        for n, row in enumerate(found)
    ])  # fmt: skip
    sql = (
        "SELECT ServiceName AS service_name, sum(Weight) AS value FROM logs "
        f"WHERE position(Body, '{word}') > 0 GROUP BY service_name HAVING value > {least}"
    )
    logql = (
        f'sum by (service_name) (count_over_time({{service_name=~".+"}} |= "{word}" [30s]))'
        f" > {least}"
    )
    assert alerts(engine, tenant, "sql", sql, for_s, turns) == alerts(
        engine, tenant, "logql", logql, for_s, turns
    )
