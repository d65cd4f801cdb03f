"""What SQL says of rows is what the pipeline says of them, over random rows and queries."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.core.errors import QueryError
from tailrace.query.binder import Binder
from tailrace.query.labels import Labels
from tailrace.query.logql.ast import LogQuery, RangeAggregation
from tailrace.query.logql.parser import parse, parse_log
from tailrace.query.logs import ranges
from tailrace.query.logs.condition import NotExpressible
from tailrace.query.logs.leaf import Leaf
from tailrace.query.logs.lines import LogRange, lines
from tailrace.query.logs.pushdown import pushed
from tailrace.query.logs.reading import Reading
from tailrace.query.logs.values import Values
from tailrace.query.matrix.grouping import Grouping
from tailrace.query.plan import Grid
from tailrace.query.sources import Source

from .rows import names, rows

SECOND = 1_000_000_000
BASE = 1_767_225_600 * SECOND
ROWS = settings(max_examples=examples(20), deadline=None, suppress_health_check=list(HealthCheck))

parsers = st.sampled_from([
    "", "| json", "| logfmt", '| json http_code="http.code", dur',
    '| regexp "status=(?P<status>[0-9]+)"',
    '| pattern "status=<status> <user>"', '| pattern "<_>status<_>=<status> <dur>=<size>"',
    '| pattern "<user> <_>=<dur>"', '| pattern `{"<user>": <status>}`',
    '| pattern "<dur>=<status>="',
])  # fmt: skip
comparisons = st.one_of(
    st.builds(
        "| {} {} {}".format,
        names,
        st.sampled_from([">", ">=", "<", "==", "!="]),
        st.sampled_from(["5", "200", "1.5", "1s", "250ms", "20MB"]),
    ),
    st.builds(
        '| {} {} "{}"'.format,
        names,
        st.sampled_from(["=", "!=", "=~", "!~"]),
        st.sampled_from(["500", "", "1.5", "a b", "true", "5.*"]),
    ),
    st.sampled_from([
        '| __error__ = ""', '| __error__ != ""', "| drop dur", "| keep status, user",
        '|= "status"', '|~ "5|7"', '|~ "s.a"', "| status > 5 or dur < 2s",
        '|> "status<_>"', '|> "<_>=<_> <_>"', '!> "<_>status<_>5<_>"', '|> "" or "{<_>}"',
        '!> "status"',
        '|> "<_>"', "| label_format status=dur", "| label_format a=status, user=a",
        "| label_format dur=service_name", "| label_format lvl=level", "| label_format level=dur",
        "| label_format http_code=status, status=size",
        "| drop __error__", "| line_format `{{.status}}`",
    ]),
)  # fmt: skip
pipelines = st.builds(
    lambda before, parser, after: " ".join([*before, parser, *after]),
    st.lists(st.sampled_from(['|= "status"', '| status != "x"', '|= "s"']), max_size=1),
    parsers,
    st.lists(comparisons, max_size=3),
)
functions = st.one_of(
    st.sampled_from(["count_over_time", "rate", "bytes_over_time", "bytes_rate"]).map(
        lambda name: name + "({} [{}s])"
    ),
    st.builds(
        "{}({{}} | unwrap {} [{{}}s])".format,
        st.sampled_from([
            "sum_over_time", "avg_over_time", "min_over_time", "max_over_time", "first_over_time",
            "last_over_time", "quantile_over_time", "stddev_over_time", "stdvar_over_time",
            "rate",
        ]),
        st.sampled_from(["dur", "status", "duration(dur)", "bytes(size)", "http_code"]),
    ),
)  # fmt: skip
groupings = st.one_of(st.none(), st.lists(names | st.just("level"), max_size=2, unique=True))


def load(engine: Any, found: list[dict[str, Any]]) -> str:
    tenant: str = engine.tenant()
    engine.load(tenant, [
        {**{k: v for k, v in row.items() if k != "second"},
         "ns": BASE + row["second"] * SECOND + n, "seq": n}
        for n, row in enumerate(found)
    ])  # fmt: skip
    return tenant


def reading(engine: Any, tenant: str) -> Reading:
    return Reading(
        tenant,
        lambda one: engine.rows(one.sql, one.parameters),
        lambda one: engine.blocks(one.sql, one.parameters),
        Source("logs"),
        keys=("http.code", "zone"),
    )


def answer(
    engine: Any, tenant: str, query: RangeAggregation, by: Grouping | None, grid: Grid
) -> Any:
    """Series by labels, or the words of the error."""
    try:
        leaf = Leaf(query if by is None else replace(query, grouping=by))
        found = asyncio.run(ranges.aggregate(leaf, grid, reading(engine, tenant)))
    except QueryError as error:
        return str(error).partition(":")[0]
    result: dict[Labels, list[float | None]] = {}
    for row, labels in enumerate(found.labels):
        pairs = zip(found.values[row].tolist(), found.present[row].tolist(), strict=True)
        result[labels] = [value if there else None for value, there in pairs]
    return result


def same(left: Any, right: Any) -> bool:
    if isinstance(left, str) or isinstance(right, str):
        return bool(left == right)
    if left.keys() != right.keys():
        return False
    return all(
        len(a) == len(right[labels])
        and all(
            x == y
            or (x is not None and y is not None and np.isclose(x, y, rtol=1e-9, equal_nan=True))
            for x, y in zip(a, right[labels], strict=True)
        )
        for labels, a in left.items()
    )


@ROWS
@given(
    found=rows, pipeline=pipelines, function=functions, by=groupings,
    window=st.sampled_from([5, 10, 25, 60]), start=st.integers(0, 30),
    step=st.sampled_from([7, 10, 20]),
    steps=st.integers(1, 6),
)  # fmt: skip
def test_a_range_aggregation_in_sql_is_that_of_the_pipeline(
    engine: Any, monkeypatch: pytest.MonkeyPatch, found: list[dict[str, Any]], pipeline: str,
    function: str, by: list[str] | None, window: int, start: int, step: int, steps: int,
) -> None:  # fmt: skip
    if "unwrap" in function and "quantile" in function:
        function = function.replace("(", "(0.5, ", 1)
    query = parse(function.format('{service_name=~".+"} ' + pipeline, window))
    assert isinstance(query, RangeAggregation)
    tenant = load(engine, found)
    grid = Grid(BASE + start * SECOND, step * SECOND, steps)
    grouping = None if by is None else Grouping(False, tuple(by))
    with monkeypatch.context() as patched:
        patched.setattr(ranges._Asked, "_expressed", not_expressible)
        slow = answer(engine, tenant, query, grouping, grid)
    fast = answer(engine, tenant, query, grouping, grid)
    assert same(fast, slow), (query, grouping, grid, found, fast, slow)


@pytest.mark.parametrize("function", ["quantile_over_time(0.9, {})", "stdvar_over_time({})"])
@pytest.mark.parametrize(("range_s", "weight"), [(5, 1), (10, 1), (10, 20)])
def test_windows_that_share_no_row_are_folded_by_the_engine(
    engine: Any, monkeypatch: pytest.MonkeyPatch, function: str, range_s: int, weight: int
) -> None:
    found = [
        {"second": second, "body": f"dur={second * 7 % 40}.5", "severity": 9 + second % 2,
         "weight": weight if second % 3 else 1, "service": "web"}
        for second in range(40)
    ]  # fmt: skip
    query = parse(function.format(f'{{service_name="web"}} | logfmt | unwrap dur [{range_s}s]'))
    assert isinstance(query, RangeAggregation)
    tenant = load(engine, found)
    grid, by = Grid(BASE + 10 * SECOND, 10 * SECOND, 3), Grouping(False, ("level",))
    with monkeypatch.context() as patched:
        patched.setattr(ranges._Asked, "_expressed", not_expressible)
        slow = answer(engine, tenant, query, by, grid)
    values: list[object] = []
    add = Values.add
    monkeypatch.setattr(Values, "add", lambda self, one: (values.append(one), add(self, one))[1])
    fast = answer(engine, tenant, query, by, grid)
    assert len(fast[(("level", "info"),)]) == 3
    assert same(fast, slow)
    # What the engine has no weighed form of is read.
    assert bool(values) == (weight > 1 and "stdvar" in function)


def not_expressible(asked: Any) -> Any:
    raise NotExpressible("here")


@ROWS
@given(found=rows, pipeline=pipelines, limit=st.integers(1, 8), forward=st.booleans())
@example([{"second": 1, "body": "status=500 tail", "severity": 9, "service": "web", "weight": 1,
           "resource": {}, "attributes": {}}], '|= "status"  ', 1, True)  # fmt: skip
def test_lines_that_sql_lets_through_are_those_of_the_pipeline(
    engine: Any, found: list[dict[str, Any]], pipeline: str, limit: int, forward: bool
) -> None:
    tenant = load(engine, found)
    query = parse_log('{service_name=~".+"} ' + pipeline)
    wanted = LogRange(BASE, BASE + 100 * SECOND, limit, forward)
    fast = asyncio.run(lines(query, wanted, reading(engine, tenant)))
    everything = LogRange(BASE, BASE + 100 * SECOND, 5_000, forward)
    all_rows = asyncio.run(lines(LogQuery(query.matchers), everything, reading(engine, tenant)))
    from tailrace.query.pipeline.pipeline import Pipeline

    process = Pipeline(query.stages).process
    passed = [
        (one.time_ns, row.line)
        for one in all_rows
        if (row := process(one.time_ns, one.line, one.stream, one.metadata)) is not None
    ]
    assert [(one.time_ns, one.line) for one in fast] == passed[:limit], (pipeline, found)


@pytest.mark.parametrize(
    "stages",
    [
        '| pattern "<_>status=<status> <_>" | status > 5',
        '|> "a<_>b" !> "<_>c" or "d"',
        '| json | label_format a=status, b=a | b = "5"',
        '| json user="a.b" | drop level | label_format user=dur | keep user',
    ],
)
def test_all_of_these_stages_is_sql(stages: str) -> None:
    query = parse_log('{service_name=~".+"} ' + stages)
    assert pushed(query, "t", ("zone",), Binder()).complete


@pytest.mark.parametrize("stages", ["| label_format a=`{{.b}}`", "| label_format level=dur"])
def test_the_pipeline_does_the_others(stages: str) -> None:
    query = parse_log('{service_name=~".+"} ' + stages)
    assert not pushed(query, "t", ("zone",), Binder()).complete
