"""Statements of errors: what a line says without what varies, and which of them there are."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from typing import Any

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from tailrace.alerts.streaming.newpatterns import NewPatterns
from tailrace.core import limits
from tailrace.core.alerting import Alert
from tailrace.core.clock import ManualClock
from tailrace.core.errors import QueryError
from tailrace.core.metrics import Metrics
from tailrace.query.bounds.allowance import Allowance, Policy
from tailrace.query.patterns.errors import Errors, Lines, errors, joined
from tailrace.query.patterns.shapes import ANY, finished
from tailrace.query.patterns.statements import statement
from tailrace.query.service import QueryService

from ..alerts.store import MemoryAlerts
from .conftest import BASE_S, SECOND

BASE = BASE_S * SECOND
NOW = BASE + 7_200 * SECOND

# Invented; each line, and what of it is told.
STATEMENTS = [
    ("connection refused", "connection refused"),
    ("no mail to ada@shop.example today", "no mail to <_> today"),
    ("card #pan:kjxmqztv of #email:<_> failed", "card <_> of <_> failed"),
    ('cannot open "quarter report.pdf"', 'cannot open "<_>"'),
    ("cannot open 'secret' or `plan`, isn't it", "cannot open '<_>' or `<_>`, isn't it"),
    ("failed for user ada from far", "failed for user <_> from far"),
    ("cannot read /home/ada/notes", "cannot read <_>"),
    ("GET https://shop.example/cart?who=ada failed", "GET <_> failed"),
    ("cannot reach db.eu.shop.example:5432", "cannot reach <_>"),
    ("level=error msg=\"it broke\" user=ada", 'level=error msg="it broke" user=<_>'),
    ("{\"level\":\"error\",\"msg\":\"it broke\",\"user\":\"ada\"}",
     '{"level":"error","msg":"it broke","user":"<_>"}'),
    ('{"message": "no \\"key\\" here", "who": "a \\"b\\"", "ok": false, "to": ""}',
     '{"message": "no \\"<_>\\" here", "who": "<_>", "ok": false, "to": ""}'),
    ("shop.cart.Basket: it broke", "shop.cart.Basket: it broke"),
    ("java.lang.IllegalStateException: closed", "java.lang.IllegalStateException: closed"),
    ("pod shop-7d9f8-xkqzt is gone", "pod shop-<_> is gone"),
    ("read/write failed", "read/write failed"),
    ('"', '"'),
    ("a='' b=\"\" c=", "a='' b=\"\" c="),
]  # fmt: skip


@pytest.mark.parametrize(("line", "said"), STATEMENTS)
def test_a_statement_has_no_names_addresses_or_values(line: str, said: str) -> None:
    shape = finished(re2.sub("[A-Za-z]*[0-9][0-9A-Za-z_]*", ANY, line))
    assert statement(shape) == said


def follows(line: str, pattern: str) -> bool:
    regex = "(?s)" + ".+".join(map(re2.escape, pattern.split(ANY)))
    return re2.fullmatch(regex, line) is not None


@pytest.mark.parametrize("line", [line for line, _ in STATEMENTS])
def test_the_line_matches_its_statement_as_a_pattern(line: str) -> None:
    assert follows(line, statement(finished(re2.sub("[A-Za-z]*[0-9][0-9A-Za-z_]*", ANY, line))))


PIECES = st.lists(
    st.sampled_from([
        ANY, " ", "a", "=", '"', "'", "\\", ":", "/", "@", ".", "user ", '"msg":', "b=", "{", ",",
    ])
).map("".join)  # fmt: skip


@given(st.text(max_size=40).filter(lambda text: ANY not in text) | PIECES)
def test_a_statement_is_a_statement_and_its_lines_follow_it(text: str) -> None:
    shape = finished(text)
    said = statement(shape)
    assert follows(shape, said), (shape, said)


HOSTILE = [
    "a",
    "a.",
    "a-",
    "<",
    "<_>.",
    "/",
    "'",
    '"',
    '"a"',
    '"a":',
    '\\"',
    "a=",
    "@",
    "user ",
    "~/a",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_no_line_takes_long(piece: str) -> None:
    shape = finished(piece * (limits.PATTERN_CHARS // len(piece)))
    began_s = time.process_time()
    for _ in range(10):
        statement(shape)
    assert time.process_time() - began_s < 0.5


# ---- over the store


def row(body: str, at_s: float = 60, **more: Any) -> dict[str, Any]:
    at_ns = NOW - int(at_s) * SECOND
    return {"ns": at_ns, "ingest": at_ns, "severity": 17, "body": body, **more}


def asked(engine: Any, tenant: str, since_s: float = 300, policy: Policy | None = None) -> Errors:
    service = QueryService(engine, clock=ManualClock(NOW), policy=policy)
    return asyncio.run(errors(service, tenant, NOW - int(since_s * SECOND), NOW))


def test_times_that_are_asked_apart_are_joined(engine: Any) -> None:
    tenant = engine.tenant()
    engine.load(tenant, [
        row("order 1 failed", 200), row("order 2 failed", 100), row("x", 100, service="cart"),
    ])  # fmt: skip
    service, cuts = QueryService(engine, clock=ManualClock(NOW)), [300, 100, 0]

    async def parts() -> list[Errors]:
        times = [NOW - cut * SECOND for cut in cuts]
        return [await errors(service, tenant, *span) for span in itertools.pairwise(times)]

    some = asyncio.run(parts())
    assert [len(one.found) for one in some] == [1, 2]
    assert joined(some) == asked(engine, tenant)


def test_errors_of_a_time_by_service_and_statement(engine: Any) -> None:
    tenant = engine.tenant()
    engine.load(tenant, [
        row("order 1 failed", 100), row("order 2 failed", 90, weight=20),
        row("order 3 failed", 50, service="cart", severity=21),
        row("order 4 went well", 40, severity=9), row("slow", 40, severity=13),
        row("quiet", 200, service="idle", severity=9),
        row("long ago", 400),
    ])  # fmt: skip
    found = asked(engine, tenant)
    assert found.services == {
        "web": NOW - 100 * SECOND, "cart": NOW - 50 * SECOND, "idle": NOW - 200 * SECOND,
    }  # fmt: skip
    assert found.found == {
        ("web", "order <_> failed"): Lines(21, NOW - 100 * SECOND),
        ("cart", "order <_> failed"): Lines(1, NOW - 50 * SECOND),
    }


def test_a_row_counts_when_it_was_taken_in_if_it_is_not_too_late(engine: Any) -> None:
    tenant, now = engine.tenant(), NOW - 60 * SECOND
    day = int(limits.NEW_PATTERN_LATE_S)
    engine.load(tenant, [
        row("late by hours", day - 600, ingest=now), row("late by days", 2 * day, ingest=now),
        row("ahead", -1_800, ingest=now),
    ])  # fmt: skip
    assert {said for _, said in asked(engine, tenant).found} == {"late by hours", "ahead"}


def test_another_tenants_errors_are_not_seen(engine: Any) -> None:
    engine.load(engine.tenant(), [row("theirs")])
    assert asked(engine, engine.tenant()) == Errors({})


def test_where_nothing_failed_one_statement_is_enough(engine: Any) -> None:
    tenant = engine.tenant()
    engine.load(tenant, [row("fine", severity=9)])
    before = len(engine.statements)
    assert asked(engine, tenant).found == {}
    assert len(engine.statements) == before + 1


def words(count: int) -> list[str]:
    """Lines that share no word."""
    chance = random.Random(7)
    return ["".join(chance.choices("abcdefghij", k=12)) for _ in range(count)]


def test_of_a_service_so_many_are_seen_and_of_all_those_with_most_lines(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "tailrace.query.patterns.errors"
    monkeypatch.setattr(f"{module}.ERROR_PATTERNS_OF_SERVICE", 5)
    monkeypatch.setattr(f"{module}.ERROR_PATTERNS_SEEN", 7)
    tenant = engine.tenant()
    rows = [row(body, weight=9) for body in words(20)]
    rows += [row(body, service="cart", weight=1) for body in words(20)]
    engine.load(tenant, rows)
    found = asked(engine, tenant).found
    assert [service for service, _ in found].count("web") == 5
    assert [service for service, _ in found].count("cart") == 2


def test_of_too_many_services_those_with_most_errors_are_seen(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailrace.query.patterns.errors.ERROR_SERVICES_SEEN", 1)
    tenant = engine.tenant()
    engine.load(tenant, [row("x"), row("x", service="cart"), row("y", service="cart")])
    assert list(asked(engine, tenant).services) == ["cart"]


def test_of_too_many_errors_one_of_several_is_looked_at(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailrace.query.patterns.errors.PATTERN_ROWS", 100)
    tenant = engine.tenant()
    engine.load(tenant, [row(f"order {n} failed", seq=n) for n in range(400)])
    [lines] = asked(engine, tenant).found.values()
    assert lines.number == 400


def test_it_is_asked_within_the_bounds_of_the_tenant(engine: Any) -> None:
    tenant = engine.tenant()
    engine.load(tenant, [row(body) for body in words(50)])
    with pytest.raises(QueryError):
        asked(engine, tenant, policy=Policy(Allowance(read_rows=10)))


def test_from_rows_to_an_alert_with_what_the_store_has_learned_first(engine: Any) -> None:
    tenant = engine.tenant()
    engine.load(tenant, [
        row("fine", 7_000, severity=9), row("order 1 failed", 5_000), row("order 2 failed", 10),
    ])  # fmt: skip
    clock, told, store = ManualClock(NOW), list[Alert](), MemoryAlerts()
    service = QueryService(engine, clock=clock)

    async def stored(_timeout_s: float) -> bool:
        return True

    async def play() -> None:
        async def ask(tenant: str, since_ns: int, now_ns: int) -> Errors:
            return await errors(service, tenant, since_ns, now_ns)

        one = NewPatterns(
            store, ask, stored, told.extend, clock, Metrics(), [tenant], 60.0, 7_000.0
        )
        await one.open()
        await one.look()
        assert told == []
        engine.load(tenant, [row("order 3 failed", -30), row("cart 4 is gone for ada@x.y", -30)])
        clock.advance(60)
        await one.look()

    asyncio.run(play())
    [alert] = told
    assert dict(alert.labels)["pattern"] == "cart <_> is gone for <_>"
    assert dict(alert.annotations)["lines"] == "1"
