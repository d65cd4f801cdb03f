"""The SQL plan gives what a slow, plain reading of LogQL gives."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
from typing import Any

import pytest

from tailrace.core.errors import QueryError
from tailrace.query.binder import Binder
from tailrace.query.labels import stream
from tailrace.query.logql.ast import LogQuery
from tailrace.query.logql.parser import parse, parse_log
from tailrace.query.logs.lines import LogRange, Slices
from tailrace.query.logs.logs import Logs
from tailrace.query.logs.pushdown import conditions
from tailrace.query.matrix.matrix import Matrix
from tailrace.query.numbers import number
from tailrace.query.plan import Grid
from tailrace.query.service import QueryService

SECOND = 1_000_000_000
BASE = 1_767_225_600 * SECOND


def lines(engine: Any, tenant: str, query: str, **wanted: Any) -> list[str]:
    span = LogRange(
        wanted.get("start", BASE - SECOND), wanted.get("end", BASE + 10**6 * SECOND),
        wanted.get("limit", 100), wanted.get("forward", False),
    )  # fmt: skip
    logs = Logs(QueryService(engine))
    return [one.line for one in asyncio.run(logs.lines(parse_log(query), tenant, span))]


def metric(engine: Any, tenant: str, query: str, grid: Grid) -> dict[Any, Any]:
    tree = parse(query)
    assert not isinstance(tree, LogQuery)
    found = asyncio.run(Logs(QueryService(engine)).metric(tree, tenant, grid))
    assert isinstance(found, Matrix)
    return by_labels(found)


def by_labels(found: Matrix) -> dict[Any, Any]:
    """Of each series its values, None where there is none."""
    return {
        labels: [
            value if there else None
            for value, there in zip(found.values[row].tolist(), found.present[row], strict=True)
        ]
        for row, labels in enumerate(found.labels)
    }


def random_rows(seed: int) -> list[dict[str, Any]]:
    dice = random.Random(seed)
    return [
        {
            "ns": BASE + dice.choice([dice.randrange(300 * SECOND), dice.randrange(300) * SECOND]),
            "severity": dice.choice([0, 5, 9, 10, 17]),
            "service": dice.choice(["web", "api"]),
            "host": dice.choice(["", "h1", "h2"]),
            "body": dice.choice(["a needle here", "nothing", "", "ünï"]),
            "resource": dice.choice([{}, {"k8s.pod": "p1"}, {"k8s_pod": "p2", "z": "1"}]),
            "weight": dice.choice([1, 1, 20]),
        }
        for _ in range(400)
    ]


def reference(
    rows: list[dict[str, Any]],
    kind: str,
    by: list[str] | None,
    window: int,
    offset: int,
    grid: Grid,
) -> dict[Any, list[float | None]]:
    found: dict[Any, list[float | None]] = {}
    for step in range(grid.steps):
        end = grid.start_ns + step * grid.step_ns - offset
        for row in rows:
            if not (end - window < row["ns"] <= end and "e" in row["body"]):
                continue
            labels = stream(row["service"], row["host"], row["severity"], row["resource"])
            if by is not None:
                labels = {k: v for k, v in labels.items() if k in by}
            key = tuple(sorted(labels.items()))
            size = len(row["body"].encode()) if "bytes" in kind else 1
            values = found.setdefault(key, [None] * grid.steps)
            values[step] = (values[step] or 0) + size * row["weight"]
    if kind.endswith("rate"):
        per = window / 1e9
        return {k: [None if v is None else v / per for v in vs] for k, vs in found.items()}
    return found


@pytest.mark.parametrize("kind", ["count_over_time", "rate", "bytes_rate", "bytes_over_time"])
@pytest.mark.parametrize("by", [None, [], ["level"], ["service_name", "k8s_pod"], ["host"]])
def test_windows_slide_exactly(engine: Any, kind: str, by: list[str] | None) -> None:
    if by == ["host"]:
        by = ["host_name"]
    rows = random_rows(len(kind))
    tenant = engine.tenant()
    engine.load(tenant, rows)
    dice = random.Random(repr((kind, by)))
    for _ in range(6):
        window = dice.choice([1, 7, 10, 30, 61]) * SECOND + dice.choice([0, 0, 1, 333])
        offset = dice.choice([0, 0, 20]) * SECOND
        grid = Grid(BASE + dice.randrange(60) * SECOND, dice.choice([1, 10, 7, 45]) * SECOND, 12)
        text = f'{kind}({{service_name=~".+"}} |= "e" [{window}ns] offset {offset}ns)'
        if by is not None:
            text = f"sum by ({', '.join(by)}) ({text})"
        got = metric(engine, tenant, text, grid)
        want = reference(rows, kind, by, window, offset, grid)
        assert got.keys() == want.keys()
        for key, values in want.items():
            assert got[key] == [v if v is None else pytest.approx(v) for v in values]


def test_pushed_down_sum_equals_the_sum_of_streams(engine: Any) -> None:
    tenant = engine.tenant()
    engine.load(tenant, random_rows(1))
    grid = Grid(BASE, 15 * SECOND, 20)
    inner = 'count_over_time({service_name=~".+"}[1m])'
    pushed = metric(engine, tenant, f"sum by (level) ({inner})", grid)
    slow = metric(engine, tenant, f"sum by (level) ({inner} * 1)", grid)
    assert pushed == slow
    assert metric(engine, tenant, f"count({inner})", grid)
    assert metric(engine, tenant, f"sum({inner}) / sum({inner})", grid)[()][-1] == 1


HOSTILE = ["'", "\\", '"', "a' OR 1=1 --", "\\' OR 1=1 --", "{p0:String}", "%", "_", "x\x00y",
           "\n", "`", "; DROP TABLE logs", "é\u202e", "$1", "\\%",
           "')) UNION ALL SELECT 1 --"]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_only_ever_match_themselves(engine: Any, value: str) -> None:
    from tailrace.query.logql.text import quote

    tenant, other = engine.tenant(), engine.tenant()
    engine.load(other, [{"body": f"secret {value}", "service": value}])
    engine.load(tenant, [
        {"body": f"before {value} after", "service": value, "resource": {f"k{value}": value}},
        {"body": "plain", "service": "plain"},
    ])  # fmt: skip
    want = [f"before {value} after"]
    everything = '{service_name=~".+"}'
    assert lines(engine, tenant, f"{{service_name={quote(value)}}}") == want
    assert lines(engine, tenant, f"{everything} |= {quote(value)}") == want
    assert lines(engine, tenant, f"{everything} != {quote(value)}") == ["plain"]
    if "\x00" not in value:
        pattern = quote(re.escape(value))
        assert lines(engine, tenant, f"{everything} |~ {pattern}") == want
        assert lines(engine, tenant, f"{{service_name=~{pattern}}}") == want
    label = "k" + re.sub("[^a-zA-Z0-9_]", "_", value)
    assert lines(engine, tenant, f"{{{label}={quote(value)}}}") == want


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ('{service_name="web"}', ["one", "two\nlines", "%_"]),
        ('{service_name="web"} |~ "two.lines"', []),
        ('{service_name="web"} |~ "(?i)ONE"', ["one"]),
        ('{service_name=~"we"}', []),
        ('{service_name=~"we.|x"}', ["one", "two\nlines", "%_"]),
        ('{level="error"}', ["two\nlines"]),
        ('{detected_level!="error",service_name="web"}', ["one", "%_"]),
        ('{host="h9"}', ["%_"]),
        ('{a_b="1"}', ["one"]),
        ('{service_name="web",nothing=""}', ["one", "two\nlines", "%_"]),
        ('{service_name="web"} |= "_"', ["%_"]),
        ('{service_name="web"} != "o"', ["%_"]),
        ('{service_name="web"} |= ""', ["one", "two\nlines", "%_"]),
        ('{service_name="web"} !~ ""', []),
        ('{service_name="web"} |~ "one|_" !~ "%"', ["one"]),
    ],
)
def test_selectors_and_filters(engine: Any, query: str, found: list[str]) -> None:
    tenant = "fixed"
    if not lines(engine, tenant, '{service_name="web"}'):
        engine.load(tenant, [
            {"body": "one", "resource": {"a.b": "1"}},
            {"body": "two\nlines", "severity": 17, "ns": BASE + 1},
            {"body": "%_", "host": "h9", "ns": BASE + 2},
        ])  # fmt: skip
    assert lines(engine, tenant, query, forward=True) == found


@pytest.mark.parametrize(
    "query", ['{a=~".*"}', '{a=~""}', '{a!~"x"}', '{a=~"("}', '{a="b"} |~ "["']
)
def test_bad_regexes_and_empty_selectors_are_refused(engine: Any, query: str) -> None:
    with pytest.raises(QueryError):
        lines(engine, "none", query)


def test_order_limit_and_half_open_range(engine: Any) -> None:
    tenant = engine.tenant()
    engine.load(tenant, [{"ns": BASE + i * 100 * SECOND, "body": str(i)} for i in range(50)])
    end = BASE + 40 * 100 * SECOND
    want = {"start": BASE + 100 * SECOND, "end": end, "limit": 3}
    assert lines(engine, tenant, '{host="h1"}', **want) == ["39", "38", "37"]
    assert lines(engine, tenant, '{host="h1"}', forward=True, **want) == ["1", "2", "3"]
    with pytest.raises(QueryError, match="QUERY_ROWS"):
        lines(engine, tenant, '{host="h1"}', limit=5001)


def test_lines_of_one_time_stay_in_the_order_they_came_in(engine: Any) -> None:
    tenant = engine.tenant()
    engine.load(tenant, [{"ns": BASE, "body": f"frame {n}"} for n in range(50)])
    said = [f"frame {n}" for n in range(50)]
    assert lines(engine, tenant, '{host="h1"}', forward=True) == said
    assert lines(engine, tenant, '{host="h1"}') == said[::-1]


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("whole", [True, False])
def test_slices_adjoin_and_cover(forward: bool, whole: bool) -> None:
    for found in (0, 1):
        rest = Slices(LogRange(7, BASE, 1, forward), whole)
        pieces = list(iter(lambda rest=rest, found=found: rest.next(found), None))
        if whole and not found:
            assert len(pieces) == 2
        ordered = pieces if forward else pieces[::-1]
        assert ordered[0][0] == 7 and ordered[-1][1] == BASE
        assert all(a[1] == b[0] for a, b in itertools.pairwise(ordered))


@pytest.mark.parametrize("condition", ["LIKE '%qqzzqq%'", "LIKE '%a qqzzqq b%'"])
def test_a_needle_is_looked_up_in_the_grams(engine: Any, condition: str) -> None:
    engine.load(engine.tenant(), [{"ns": BASE}])
    sql = f"EXPLAIN indexes = 1 SELECT Body FROM logs WHERE Body {condition}"
    plan = "\n".join(row[0] for row in engine.client.query(sql).result_rows)
    assert "grams" in plan


@pytest.mark.parametrize(
    ("query", "indexed"),
    [
        ('{service_name="web"} | request_id="r-7"', True),
        ('{service_name="web"} | request_id=~"r-7|r-8" | user="x"', True),
        ('{service_name="web"} | request_id=""', False),
        ('{service_name="web"} | request_id!="r-7"', False),
        ('{service_name="web"} | request_id=~"r-.*"', False),
        ('{service_name="web"} | json | request_id="r-7"', False),
        ('{service_name="web"} | pod="r-7"', False),
        ('{service_name="web"} | trace_id="r-7"', False),
    ],
)
def test_an_attribute_is_looked_up_where_no_other_thing_has_its_name(
    engine: Any, query: str, indexed: bool
) -> None:
    tenant, bind = engine.tenant(), Binder()
    engine.load(tenant, [{"ns": BASE, "service": "web"}])
    where = " AND ".join(conditions(parse_log(query), tenant, ("pod",), bind))
    plan = engine.client.query(
        f"EXPLAIN indexes = 1 SELECT Body FROM logs WHERE {where}", parameters=bind.values
    )
    text = "\n".join(row[0] for row in plan.result_rows)
    assert ("attribute_values" in text) is indexed, text + where


def test_samples_are_numbers_as_text() -> None:
    assert [number(v) for v in (2.0, 0.5, 1e-7, 1e22, float("nan"))] == [
        "2", "0.5", "0.0000001", "10000000000000000000000", "NaN",
    ]  # fmt: skip
