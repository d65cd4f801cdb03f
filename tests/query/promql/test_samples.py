"""Metrics over a real engine, against a slow reference of what Prometheus answers."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import re
from typing import Any

import pytest

from tailrace.core import limits
from tailrace.core.errors import QueryError
from tailrace.query.labels import Labels
from tailrace.query.matrix.matrix import Matrix
from tailrace.query.plan import grid
from tailrace.query.promql.parser import parse, parse_selector
from tailrace.query.promql.samples import Samples
from tailrace.query.service import QueryService

from ..conftest import BASE_S, SECOND, Points

STALE = "reinterpretAsFloat64(toUInt64(9218868437227405314))"


Series = dict[Labels, list[float | None]]


def ask(engine: Any, tenant: str, text: str, start: float, end: float, step: float) -> Series:
    on = grid(*(int((BASE_S + t) * 1000) * 1_000_000 for t in (start, end)), int(step * SECOND))
    samples = Samples(QueryService(engine))
    found = asyncio.run(samples.value(parse(text), tenant, on))
    assert isinstance(found, Matrix)
    return {
        labels: [
            value if there else None
            for value, there in zip(found.values[row].tolist(), found.present[row], strict=True)
        ]
        for row, labels in enumerate(found.labels)
    }


def names(engine: Any, tenant: str, text: str) -> list[str]:
    """The label `id` of the series that a selector finds."""
    work = Samples(QueryService(engine)).series([parse_selector(text)], tenant, None)
    return sorted(dict(labels).get("id", "") for labels in asyncio.run(work))


def reference(points: list[tuple[float, float]], function: str, window: float, at: float) -> Any:
    """One value as prometheus/promql computes it: functions.go, extrapolatedRate."""
    inside = [(t, v) for t, v in points if at - window < t <= at]
    if not function:
        return inside[-1][1] if inside else None
    if len(inside) < 2:
        return None
    (first, low), (last, high) = inside[0], inside[-1]
    resets = sum(a for (_, a), (_, b) in itertools.pairwise(inside) if b < a)
    change = high - low + resets
    sampled, average = last - first, (last - first) / (len(inside) - 1)
    to_start, to_end = first - (at - window), at - last
    limit = average * 1.1
    to_start = average / 2 if to_start >= limit else to_start
    if change > 0 and low >= 0:
        to_start = min(to_start, sampled * (low / change))
    to_end = average / 2 if to_end >= limit else to_end
    value = change * ((sampled + to_start + to_end) / sampled)
    return value / window if function == "rate" else value


def random_points(dice: random.Random) -> list[tuple[float, float]]:
    at, value, found = 0.0, 0.0, []
    while at < 1500:
        at += dice.choice([5, 10, 10.25, 15, 15, 45, 400])
        value = dice.choice([value + dice.randrange(50), value + 1, 0.0, value])
        found.append((at, value))
    return found


@pytest.mark.parametrize("function", ["", "rate", "increase"])
def test_values_are_those_of_prometheus(engine: Any, function: str) -> None:
    dice = random.Random(function)
    tenant = engine.tenant()
    series = {str(n): random_points(dice) for n in range(8)}
    engine.load_samples(tenant, [("m", {"id": n}, points) for n, points in series.items()])
    for _ in range(6):
        window = dice.choice([30, 60, 300, 300.5]) if function else 300
        start, step = dice.randrange(900) + dice.choice([0, 0.5]), dice.choice([1, 15, 7.5, 60])
        text = f"{function}(m[{int(window * 1000)}ms])" if function else "m"
        got = ask(engine, tenant, text, start, start + 20 * step, step)
        for n, points in series.items():
            want = [reference(points, function, window, start + i * step) for i in range(21)]
            key = (("id", n),) if function else (("__name__", "m"), ("id", n))
            values = got.get(key, [None] * 21)
            assert values == [v if v is None else pytest.approx(v) for v in want], (n, text, start)


FOLDS = {"sum": sum, "min": min, "max": max, "count": len, "avg": lambda v: sum(v) / len(v)}


@pytest.mark.parametrize("name", FOLDS)
def test_aggregations_fold_the_series_that_have_a_value(engine: Any, name: str) -> None:
    dice = random.Random(name)
    tenant = engine.tenant()
    loaded: list[Points] = [
        ("m", {"id": str(n), "zone": f"z{n % 3}"} if n % 4 else {"id": str(n)}, random_points(dice))
        for n in range(12)
    ]
    engine.load_samples(tenant, loaded)
    plain = ask(engine, tenant, "m", 0, 1900, 50)
    for by in ((), ("zone",), ("zone", "nothing"), ("id",), ("__name__",)):
        groups: dict[Any, list[Any]] = {}
        for key, values in plain.items():
            groups.setdefault(tuple(p for p in key if p[0] in by), []).append(values)
        want = {
            key: [FOLDS[name](v) if (v := [x for x in column if x is not None]) else None
                  for column in zip(*members, strict=True)]
            for key, members in groups.items()
        }  # fmt: skip
        got = ask(engine, tenant, f"{name} by ({', '.join(by)}) (m)", 0, 1900, 50)
        assert got.keys() == want.keys()
        for key, values in want.items():
            assert got[key] == [v if v is None else pytest.approx(v) for v in values]


def test_a_stale_marker_ends_a_series_and_an_ordinary_nan_is_a_value(engine: Any) -> None:
    tenant = engine.tenant()
    engine.load_samples(tenant, [
        ("m", {"id": "stale"}, [(0, 1), (10, 2), (20, STALE), (40, 5)]),
        ("m", {"id": "nan"}, [(0, 1), (10, 2), (20, "nan"), (40, 5)]),
    ])  # fmt: skip
    found = ask(engine, tenant, "m", 0, 40, 10)
    by_id = {dict(key)["id"]: values for key, values in found.items()}
    assert by_id["stale"] == [1, 2, None, None, 5]
    assert by_id["nan"][:2] == [1, 2] and by_id["nan"][4] == 5
    assert by_id["nan"][2] is not None and math.isnan(by_id["nan"][2])
    assert ask(engine, tenant, "count(m)", 20, 20, 10) == {(): [1]}
    [rate] = ask(engine, tenant, 'increase(m{id="stale"}[41s])', 40, 40, 10).values()
    assert rate == [pytest.approx(4 + 4 / 40)]


@pytest.mark.parametrize("name", ["min", "max"])
def test_the_least_and_the_largest_are_numbers_while_there_are_any(engine: Any, name: str) -> None:
    tenant = engine.tenant()
    engine.load_samples(tenant, [("m", {"id": str(n)}, [(0, v)]) for n, v in
                                 enumerate(["nan", "3", "nan", "2", "nan"])])  # fmt: skip
    assert ask(engine, tenant, f"{name}(m)", 0, 0, 1) == {(): [2 if name == "min" else 3]}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("system_cpu", ["1", "2"]), ('{"system.cpu"}', ["1", "2"]), ('{"system_cpu"}', ["1", "2"]),
        ('{__name__="system.cpu"}', ["1", "2"]), ('{__name__=~"system.*"}', ["1", "2"]),
        ('{__name__=~"system_cpu|up"}', ["1", "2", "3"]), ('{__name__!="up"}', None),
        ('{__name__!~"up",id=~".+"}', ["1", "2", "4"]), ('{__name__=~"sys"}', []),
        ('system_cpu{host_name="a"}', ["1"]), ('system_cpu{"host.name"="a"}', ["1"]),
        ('system_cpu{host_name!="a"}', ["2"]), ('system_cpu{zone=""}', ["1"]),
        ('system_cpu{zone!=""}', ["2"]), ('{host_name=~"a|c"}', ["1", "3"]),
        ('{host_name!~"a|c",id!=""}', ["2", "4"]), ("_5xx", ["4"]), ('{"5xx"}', ["4"]),
        ("nothing", []), ('up{a_b="exact"}', ["3"]), ('up{"a.b"="dotted"}', ["3"]),
        ('up{a_b="dotted"}', []),
    ],
)  # fmt: skip
def test_selectors_match_both_spellings(engine: Any, text: str, found: list[str] | None) -> None:
    tenant = "spellings"
    if not names(engine, tenant, "up"):
        engine.load_samples(tenant, [
            ("system.cpu", {"id": "1", "host.name": "a"}, [(0, 1)]),
            ("system.cpu", {"id": "2", "host.name": "b", "zone": "z"}, [(0, 1)]),
            ("up", {"id": "3", "host.name": "c", "a.b": "dotted", "a_b": "exact"}, [(0, 1)]),
            ("5xx", {"id": "4"}, [(0, 1)]),
        ])  # fmt: skip
    if found is None:
        with pytest.raises(QueryError, match="cannot match an empty value"):
            names(engine, tenant, '{zone!="z"}')
        return
    assert names(engine, tenant, text) == found


def test_an_answer_spells_names_as_the_query_does(engine: Any) -> None:
    tenant = engine.tenant()
    engine.load_samples(tenant, [("system.cpu", {"host.name": "a"}, [(0, 1)])])
    plain = (("__name__", "system_cpu"), ("host_name", "a"))
    stored = (("__name__", "system.cpu"), ("host.name", "a"))
    for text, key in (
        ("system_cpu", plain), ('{"system.cpu"}', stored), ('system_cpu{"host.name"="a"}', stored),
        ("rate(system_cpu[1m])", None), ("sum by (host_name) (system_cpu)", plain[1:]),
        ('sum by ("host.name") (system_cpu)', stored[1:]),
        ("sum by (__name__) (system_cpu)", plain[:1]),
    ):  # fmt: skip
        assert list(ask(engine, tenant, text, 0, 0, 1)) == ([key] if key else [])


def test_two_series_that_read_the_same_are_refused_rather_than_mixed(engine: Any) -> None:
    tenant = engine.tenant()
    engine.load_samples(tenant, [(name, {}, [(0, 1), (5, 2)]) for name in ("a.b", "a_b")])
    for text in ("a_b", 'rate({__name__=~"a.b"}[1m])'):
        with pytest.raises(QueryError, match="same labels"):
            ask(engine, tenant, text, 5, 5, 1)
    assert len(ask(engine, tenant, '{__name__=~"a.b", "x"=""}', 5, 5, 1)) == 2
    assert ask(engine, tenant, 'sum({__name__=~"a.b"})', 5, 5, 1) == {(): [4]}


def test_a_tenant_sees_its_own_series_only(engine: Any) -> None:
    mine, other = engine.tenant(), engine.tenant()
    engine.load_samples(other, [("secret", {"id": "1"}, [(0, 1)])])
    assert ask(engine, mine, "secret", 0, 0, 1) == {}
    assert names(engine, mine, "secret") == []


HOSTILE = ["'", "\\", '"', "a' OR 1=1 --", "{p0:String}", "%", "x\x00y", "\n", "`", "$1", "\\1",
           "')) UNION ALL SELECT 1 --", "é\u202e"]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_only_ever_match_themselves(engine: Any, value: str) -> None:
    from tailrace.query.logql.text import quote

    tenant = engine.tenant()
    engine.load_samples(tenant, [
        (value, {"id": "1", value: value}, [(0, 1)]), ("other", {"id": "2"}, [(0, 1)]),
    ])  # fmt: skip
    q = quote(value)
    for text in (f"{{{q}}}", f"{{{q}={q}}}", f"{{id=~'.+', {q}={q}}}"):
        assert names(engine, tenant, text) == ["1"]
    assert names(engine, tenant, f"{{id!='', {q}!={q}}}") == ["2"]
    if "\x00" not in value:
        assert names(engine, tenant, f"{{{q}=~{quote(re.escape(value))}}}") == ["1"]
    [key] = ask(engine, tenant, f"sum by ({q}) ({{{q}}})", 0, 0, 1)
    assert key == ((value, value),)


def test_what_is_too_large_is_refused_before_a_sample_is_read(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = engine.tenant()
    engine.load_samples(tenant, [("m", {"id": str(n)}, [(0, 1)]) for n in range(5)])
    for limit, value, text in (
        ("QUERY_SERIES", 4, "m"), ("QUERY_SERIES_SUMMED", 4, "sum(m)"), ("QUERY_CELLS", 49, "m"),
        ("QUERY_CELLS_SUMMED", 49, "sum(m)"), ("QUERY_SERIES", 4, "sum by (id) (m)"),
    ):  # fmt: skip
        with monkeypatch.context() as patch:
            patch.setattr(limits, limit, value)
            with pytest.raises(QueryError):
                ask(engine, tenant, text, 0, 9, 1)
    assert len(ask(engine, tenant, "m", 0, 9, 1)) == 5


@pytest.mark.parametrize("text", ['{a=~".*"}', '{a!="x"}', '{a=""}', 'up{a=~"("}'])
def test_bad_regexes_and_empty_selectors_are_refused(engine: Any, text: str) -> None:
    with pytest.raises(QueryError):
        ask(engine, "none", text, 0, 0, 1)


def test_single_samples_and_subqueries_are_bounded(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = engine.tenant()
    engine.load_samples(tenant, [("m", {}, [(n, 1.0) for n in range(20)])])
    for limit, value, text in (
        ("QUERY_VALUES", 9, "quantile_over_time(0.5, m[20s])"),
        ("QUERY_VALUES", 9, "max_over_time(m[20s:1s])"),
        ("QUERY_SUBQUERY_STEPS", 19, "max_over_time(m[20s:1s])"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(limits, limit, value)
            with pytest.raises(QueryError, match=limit):
                ask(engine, tenant, text, 20, 20, 1)
        assert len(ask(engine, tenant, text, 20, 20, 1)) == 1
