"""A query selects the same rows live, in Python, as from the store, in SQL."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tail_fakes import NOW
from tests.examples import examples

from tailrace.core.errors import QueryError
from tailrace.query.binder import Binder
from tailrace.query.logql.parser import parse_log
from tailrace.query.logql.text import quote
from tailrace.query.logs.lines import LogRange
from tailrace.query.logs.logs import Logs
from tailrace.query.service import QueryService
from tailrace.query.tail.evaluation import Read, evaluate
from tailrace.query.tail.group import Group
from tailrace.query.tail.prefilter import may_pass
from tailrace.query.tail.rows import COLUMNS

BODIES = [
    "", "a", "A b", "one\ntwo", "50% _x_\\", "ünï", "\u2028", "'quoted\"", "a.b", "aXb", "\x00nul",
    "err=1", "(x", "[", "日本語 log", "a\rb", "  ", "{}",
]  # fmt: skip
RESOURCES: list[dict[str, str]] = [
    {}, {"zone": "z"}, {"k8s.pod": "p"}, {"k8s_pod": "q"}, {"k8s.pod": "", "k8s-pod": "r"},
    {"zone": ""}, {"level": "x", "service_name": "y"}, {"zone": "z\nz"}, {"1a": "n"},
]  # fmt: skip


@pytest.fixture(scope="module")
def tenant(engine: Any) -> str:
    name: str = engine.tenant()
    rows = [
        {
            "ns": NOW + n, "body": body, "service": ("web", "db", "")[n % 3], "resource": resource,
            "host": ("h1", "")[n % 2], "severity": n % 26, "trace": ("", "77")[n % 4 == 3],
        }
        for n, (body, resource) in enumerate(itertools.product(BODIES, RESOURCES))
    ]  # fmt: skip
    engine.load(name, rows)
    return name


def stored(engine: Any, tenant: str, query: str) -> list[tuple[int, str]]:
    logs = Logs(QueryService(engine))
    wanted = LogRange(NOW, NOW + 10**9, 5000, forward=True)
    found = asyncio.run(logs.lines(parse_log(query), tenant, wanted))
    return [(one.time_ns, one.line) for one in found]


def live(engine: Any, tenant: str, query: str) -> list[tuple[int, str]]:
    """As the hub does: what the prefilter lets pass, and of that what Python selects."""
    group = Group(tenant, parse_log(query), 0)
    bind = Binder()
    sql = f"SELECT {COLUMNS} FROM logs WHERE {may_pass([group], bind)} ORDER BY Timestamp"
    rows = asyncio.run(engine.rows(sql, bind.values))
    messages = evaluate([Read(tenant, ("s", 1, 1), rows)], {group: frozenset({True})}, NOW)
    found = []
    for parcel in messages.get(group, {}).get(True, ()):
        for stream in json.loads(parcel.text())["streams"]:
            found += [(int(entry[0]), entry[1]) for entry in stream["values"]]
    return sorted(found)


SELECTORS = [
    '{service_name="web"}', '{service_name!="web", host_name="h1"}', '{service_name=~"w.b|db"}',
    '{service_name=~".+", zone="z"}', '{service_name=~".+", zone=""}', '{k8s_pod="q"}',
    '{k8s_pod="r"}', '{k8s_pod=~"[pq]"}', '{k8s_pod!~".+", host="h1"}', '{level="error"}',
    '{detected_level=~"(?i)WARN|unk.*"}', '{trace_id="77"}', '{level!="info", trace_id=~"7+"}',
    '{zone=~"z.z"}', '{zone=~"(?-s)z.z"}', '{_1a="n"}', '{level="x"}', '{service_name="y"}',
    '{service_name=~".+", zone=~"z|"}', '{host!="", service_name!~"w.*"}',
]  # fmt: skip


@pytest.mark.parametrize("selector", SELECTORS)
def test_selectors(engine: Any, tenant: str, selector: str) -> None:
    assert live(engine, tenant, selector) == stored(engine, tenant, selector)


FILTERS = [
    '|= "a"', '!= "a"', '|= ""', '!= ""', '|= "%"', '|= "_x_"', r'|= "\\"', '|~ "a.b"',
    '!~ "a.b"', '|~ "(?i)A"', '|~ "^$"', '|~ "one.two"', '|~ "(?s)one.two"', '|~ "ü"', '|~ "^.$"',
    '|~ "日.語"', r'|~ "\\(x"', '|= "\'"', '|~ "" |= "a" != "b"', r'|~ "\\bb"', '|= "nul"',
]  # fmt: skip


@pytest.mark.parametrize("line", FILTERS)
def test_line_filters(engine: Any, tenant: str, line: str) -> None:
    query = '{level=~".+"} ' + line
    assert live(engine, tenant, query) == stored(engine, tenant, query)


@settings(max_examples=examples(30), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(SELECTORS[:3]),
    st.sampled_from(["|=", "!=", "|~", "!~"]),
    st.text(st.sampled_from("aAbX.%_\\'\"ü日 \n*+?|"), max_size=4),
)
def test_needles_of_anything(engine: Any, tenant: str, selector: str, op: str, text: str) -> None:
    query = f"{selector} {op} {quote(text)}"
    try:
        expected = stored(engine, tenant, query)
    except QueryError:
        with pytest.raises(QueryError):
            live(engine, tenant, query)
        return
    assert live(engine, tenant, query) == expected
