"""Rules in SQL, over the real engine."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tailrace.alerts.evaluation.expression import Expressions
from tailrace.alerts.rule import Rule
from tailrace.core import limits
from tailrace.core.clock import ManualClock
from tailrace.core.errors import QueryError
from tailrace.query.matrix.matrix import Matrix
from tailrace.query.plan import Grid
from tailrace.query.service import QueryService

SECOND = 1_000_000_000
BASE = 1_767_225_600 * SECOND  # 2026-01-01T00:00:00Z, a Thursday
LINES = "SELECT ServiceName AS service, sum(Weight) AS value FROM logs GROUP BY service"


def rule(expr: str, since_s: int = 60, **more: Any) -> Rule:
    return Rule(expr, "sql", alert="A", since_ns=since_s * SECOND, **more)


def lines(*seconds: float, **row: Any) -> list[dict[str, Any]]:
    return [
        {**row, "ns": BASE + int(second * SECOND), "seq": n} for n, second in enumerate(seconds)
    ]


def value(
    engine: Any, one: Rule, tenant: str, at_s: float = 0, steps: int = 1, step_s: int = 15
) -> Matrix:
    grid = Grid(BASE + int(at_s * SECOND), step_s * SECOND, steps)
    ask = Expressions(QueryService(engine, clock=ManualClock(BASE)))
    return asyncio.run(ask.value(one, tenant, grid))


def shown(found: Matrix) -> dict[tuple[str, ...], list[float | None]]:
    return {
        tuple(f"{k}={v}" for k, v in labels): [
            float(value) if there else None
            for value, there in zip(found.values[row], found.present[row], strict=True)
        ]
        for row, labels in enumerate(found.labels)
    }


def answer(engine: Any, expr: str, at_s: float = 0, tenant: str = "") -> Any:
    """The series of a statement at one time."""
    found = shown(value(engine, rule(expr), tenant or engine.tenant(), at_s))
    return {labels: values[0] for labels, values in found.items()}


def test_each_row_is_a_series_of_its_texts_and_its_number(engine: Any) -> None:
    tenant = engine.tenant()
    engine.load(tenant, lines(1, 2, service="web") + lines(3, service="cart", weight=20))
    found = value(engine, rule(LINES), tenant, 10)
    assert shown(found) == {("service=web",): [2], ("service=cart",): [20]}
    assert found.variance is None


def test_rows_of_the_slot_count_and_those_of_since_before_it_do_not(engine: Any) -> None:
    tenant = engine.tenant()
    engine.load(tenant, lines(0, 1e-9, 30, 60, 60 + 1e-9))
    assert shown(value(engine, rule(LINES, 60), tenant, 60)) == {("service=web",): [3]}


def test_each_slot_is_asked_as_of_its_own_time(engine: Any) -> None:
    tenant = engine.tenant()
    engine.load(tenant, lines(1, 16, 17))
    found = value(engine, rule(LINES, 15), tenant, 0, 4)
    assert shown(found) == {("service=web",): [None, 1, 2, None]}


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ("now()", "2026-01-01 00:00:01"),
        ("NOW('UTC')", "2026-01-01 00:00:01"),
        ("now('Asia/Tokyo')", "2026-01-01 09:00:01"),
        ("now64()", "2026-01-01 00:00:01.500"),
        ("now64(6, 'Asia/Tokyo')", "2026-01-01 09:00:01.500000"),
        ("UTCTimestamp()", "2026-01-01 00:00:01"),
        ("today()", "2026-01-01"),
        ("yesterday()", "2025-12-31"),
        ("now() - INTERVAL 5 MINUTE", "2025-12-31 23:55:01"),
    ],
)
def test_the_present_is_the_slot(engine: Any, told: str, wanted: str) -> None:
    assert answer(engine, f"SELECT toString({told}) AS at, 1 AS value", 1.5) == {
        (f"at={wanted}",): 1
    }


def test_the_present_keeps_its_type(engine: Any) -> None:
    names = ("now()", "now('UTC')", "now64()", "now64(9)", "today()", "yesterday()")
    for told in names:
        [[own]] = engine.client.query(f"SELECT toTypeName({told})").result_rows
        assert answer(engine, f"SELECT toTypeName({told}) AS type, 1") == {(f"type={own}",): 1}


def test_a_condition_narrows_the_range_to_before_the_slot(engine: Any) -> None:
    tenant = engine.tenant()
    engine.load(tenant, lines(10, 50, 55))
    recent = "countIf(Timestamp > now() - INTERVAL 20 SECOND)"
    expr = f"SELECT {recent} / count() AS value FROM logs"
    assert answer(engine, expr, 60, tenant) == {(): 2 / 3}


@pytest.mark.parametrize(
    ("column", "label"),
    [
        ("'x'", "x"),
        ("toLowCardinality('x')", "x"),
        ("CAST('x' AS LowCardinality(Nullable(String)))", "x"),
        ("toFixedString('x', 3)", "x"),
        ("toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0')", "61f0c404-5cb3-11e7-907b-a6006ad3dba0"),
        ("toIPv4('10.0.0.1')", "10.0.0.1"),
        ("toIPv6('::1')", "::1"),
        ("true", "true"),
        ("CAST(1 = 2 AS Bool)", "false"),
        ("toString(17)", "17"),
        ("toString(toDate('2026-01-01'))", "2026-01-01"),
        ("toString(map('a', 1))", "{'a':1}"),
    ],
)
def test_a_label_is_the_text_of_its_column(engine: Any, column: str, label: str) -> None:
    assert answer(engine, f"SELECT {column} AS l, 1") == {(f"l={label}",): 1}


@pytest.mark.parametrize("column", ["''", "CAST(NULL AS Nullable(String))"])
def test_an_empty_label_is_none(engine: Any, column: str) -> None:
    assert answer(engine, f"SELECT {column} AS l, 1") == {(): 1}


@pytest.mark.parametrize(
    ("column", "wanted"),
    [
        ("toUInt8(5)", 5.0),
        ("toInt256(-5)", -5.0),
        ("toDecimal64(1.5, 3)", 1.5),
        ("toFloat32(0.5)", 0.5),
        ("CAST(7 AS Nullable(UInt64))", 7.0),
        ("1 / 0", float("inf")),
        ("2 > 1", 1.0),
    ],
)
def test_the_value_is_any_number(engine: Any, column: str, wanted: float) -> None:
    assert answer(engine, f"SELECT {column} AS anything") == {(): wanted}


@pytest.mark.parametrize("column", ["CAST(NULL AS Nullable(Float64))", "0 / 0"])
def test_no_number_is_no_series(engine: Any, column: str) -> None:
    assert answer(engine, f"SELECT 'a' AS l, {column} AS value") == {}


def test_no_row_is_no_series(engine: Any) -> None:
    assert value(engine, rule(LINES), engine.tenant(), 0, 3).steps == 3
    assert answer(engine, LINES) == {}


@pytest.mark.parametrize(
    ("expr", "words"),
    [
        ("SELECT 'a' AS l", "needs one column that is a number, such as count() AS value; there "
                            "is none"),
        ("SELECT 1 AS a, 2.5 AS b", "there are a, b: make labels of the others with toString()"),
        ("SELECT now() AS at, 1", "the column at of a rule in SQL is of type DateTime, neither a "
                                  "number nor a text; make a text of it with toString()"),
        ("SELECT today() AS at, 1", "the column at of a rule in SQL is of type Date,"),
        ("SELECT [1] AS a, 1", "the column a of a rule in SQL is of type Array(UInt8)"),
        ("SELECT map('a', 'b') AS m, 1", "the column m of a rule in SQL is of type Map("),
        ("SELECT tuple(1) AS t, 1", "the column t of a rule in SQL is of type Tuple("),
        ("SELECT toIntervalDay(1) AS i, 1", "the column i of a rule in SQL is of type IntervalDay"),
        ("SELECT NULL AS n, 1", "the column n of a rule in SQL is of type Nullable(Nothing)"),
        ("SELECT * FROM logs", "the column Timestamp of a rule in SQL is of type DateTime64(9"),
        ("SELECT lower('A'), 1", "the column 'lower(A)' is no name of a label; give it one with "
                                 "AS"),
        ("SELECT ServiceName, ServiceName, 1 FROM logs", "two columns have the name ServiceName;"),
        ("SELECT arrayJoin(['a', 'a']) AS l, 1", "two rows have the same labels {l='a'}; group by"),
        ("SELECT arrayJoin([1, 2]) AS value", "two rows have the same labels {}"),
        ("SELECT value FROM (SELECT 1 AS x)", "value"),
        ("SELECT toUInt8('x')", "Cannot parse string"),
    ],
)  # fmt: skip
def test_what_is_no_series_is_an_error_that_says_what_to_write(
    engine: Any, expr: str, words: str
) -> None:
    with pytest.raises(QueryError) as caught:
        answer(engine, expr)
    assert words in str(caught.value)


def test_a_series_has_as_many_labels_as_any(engine: Any) -> None:
    columns = [f"'x' AS l{n}" for n in range(limits.LABELS_PER_SERIES + 1)]
    assert len(answer(engine, f"SELECT 1, {', '.join(columns[1:])}")) == 1
    with pytest.raises(QueryError, match="LABELS_PER_SERIES"):
        answer(engine, f"SELECT 1, {', '.join(columns)}")


def test_a_rule_has_as_many_rows_as_series(engine: Any) -> None:
    expr = "SELECT toString(arrayJoin(range({}))) AS n, 1 AS value"
    assert len(answer(engine, expr.format(limits.RULE_SERIES))) == limits.RULE_SERIES
    with pytest.raises(QueryError, match=r"more than 10000 rows \(RULE_SERIES\)"):
        answer(engine, expr.format(limits.RULE_SERIES + 1))


def test_what_a_rule_gives_is_bounded_in_bytes(engine: Any) -> None:
    letters = limits.RULE_SQL_BYTES // 100
    expr = "SELECT concat(repeat('x', {}), toString(arrayJoin(range(100)))) AS l, 1 AS value"
    assert len(answer(engine, expr.format(letters - 100))) == 100
    with pytest.raises(QueryError, match=r"bytes \(RULE_SQL_BYTES\)"):
        answer(engine, expr.format(letters + 100))


class Slow:
    """An engine whose clock goes on with each statement that a rule is answered by."""

    def __init__(self, engine: Any, clock: ManualClock, seconds: float) -> None:
        self._engine, self._clock, self._seconds = engine, clock, seconds
        self.asked: list[str] = []

    async def rows(self, sql: str, *more: Any) -> Any:
        self.asked.append(sql.split()[0])
        if not sql.startswith(("EXPLAIN", "DESCRIBE")):
            self._clock.advance(self._seconds)
        return await self._engine.rows(sql, *more)


@pytest.mark.parametrize(("seconds", "steps"), [(0, 6), (2, 4), (20, 1)])
def test_as_many_missed_slots_are_asked_as_half_an_interval_has_room_for(
    engine: Any, seconds: float, steps: int
) -> None:
    clock = ManualClock(BASE)
    ask = Expressions(QueryService(Slow(engine, clock, seconds), clock=clock))  # type: ignore[arg-type]
    grid = Grid(BASE, 15 * SECOND, 6)
    found = asyncio.run(ask.value(rule("SELECT 1 AS value"), engine.tenant(), grid))
    assert found.steps == steps


class Hanging:
    """An engine that answers rules twice."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.left = 2

    async def rows(self, sql: str, *more: Any) -> Any:
        if not sql.startswith(("EXPLAIN", "DESCRIBE")):
            if not self.left:
                await asyncio.Event().wait()
            self.left -= 1
        return await self._engine.rows(sql, *more)


def test_a_missed_slot_that_takes_too_long_does_not_lose_those_before_it(engine: Any) -> None:
    ask = Expressions(QueryService(Hanging(engine)))  # type: ignore[arg-type]
    grid = Grid(BASE, 4 * SECOND, 6)
    found = asyncio.run(ask.value(rule("SELECT 1 AS value"), engine.tenant(), grid))
    assert found.steps == 2


def test_a_missed_slot_that_fails_ends_those_before_it(engine: Any) -> None:
    tenant = engine.tenant()
    engine.load(tenant, lines(31, service="a"))
    expr = "SELECT toUInt8(concat('x', ServiceName)) AS value FROM logs"
    assert value(engine, rule(expr, 15), tenant, 0, 6).steps == 3
    with pytest.raises(QueryError, match="Cannot parse"):
        value(engine, rule(expr, 15), tenant, 45, 3)


def test_missed_slots_make_no_more_series_than_a_rule_may_have(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "RULE_SERIES", 3)
    expr = "SELECT toString(now()) AS at, 1 AS value"
    assert value(engine, rule(expr), engine.tenant(), 0, 5).steps == 3


def test_the_engine_looks_once_at_a_text_of_a_tenant(engine: Any) -> None:
    clock = ManualClock(BASE)
    slow = Slow(engine, clock, 0)
    ask = Expressions(QueryService(slow, clock=clock))  # type: ignore[arg-type]
    one, two = engine.tenant(), engine.tenant()
    for tenant in (one, one, two):
        asyncio.run(ask.value(rule(LINES), tenant, Grid(BASE, 15 * SECOND, 2)))
    assert slow.asked.count("EXPLAIN") == 4
    assert slow.asked.count("DESCRIBE") == 2


def test_what_is_remembered_is_bounded(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailrace.alerts.evaluation.statements._KNOWN", 2)
    ask = Expressions(QueryService(engine, clock=ManualClock(BASE)))
    tenant = engine.tenant()
    for number in range(4):
        one = rule(f"SELECT {number} AS value")
        asyncio.run(ask.value(one, tenant, Grid(BASE, 15 * SECOND, 1)))
    assert len(ask._statements._known) == 2
