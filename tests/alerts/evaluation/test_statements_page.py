"""The examples of docs/rules.md in SQL do what is said of them."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from tailrace.alerts.evaluation.expression import Expressions, at_step
from tailrace.alerts.rules.reader import read
from tailrace.core import limits
from tailrace.core.clock import ManualClock
from tailrace.core.span import Span
from tailrace.query.plan import Grid
from tailrace.query.service import QueryService

S = 1_000_000_000
BASE = 1_767_225_600 * S
NOW = BASE + 3_600 * S
PAGE = (Path(__file__).resolve().parents[3] / "docs" / "rules.md").read_text()
PART = PAGE.partition("## Rules in SQL\n")[2].partition("\n## ")[0]
RULES = re.sub(r"^ {4}", "", PART[PART.index("    groups:") : PART.index("Each row")], flags=re.M)


@pytest.fixture(scope="module")
def tenant(engine: Any) -> str:
    """An hour of payments, one of whose providers fails, and of a shop that went quiet."""
    found: str = engine.tenant()
    engine.load(found, [
        {"ns": NOW - n * 10 * S, "service": "payments", "severity": 17 if n % 2 else 9, "seq": n,
         "attributes": {"provider": "bank" if n % 2 else "card", "user": f"u{n % 5}"}}
        for n in range(40)
    ])  # fmt: skip
    engine.load(found, [{"ns": NOW - 400 * S, "service": "shop", "seq": 100}])
    engine.load_spans(found, [
        Span(NOW - n * 60 * S, name, "0a" * 16, f"{n:02x}", duration, kind="server", service="shop")
        for n in range(40)
        for name, duration in (("pay", 50_000_000 if n >= 2 else 400_000_000), ("list", 9_000_000))
    ])  # fmt: skip
    return found


def value(engine: Any, tenant: str, name: str) -> dict[str, float]:
    """What a rule of the page gives, by its labels."""
    reading = read(RULES)
    assert not reading.problems
    [group] = reading.groups
    [rule] = [one for one in group.rules if one.name == name]
    assert rule.language == "sql"
    ask = Expressions(QueryService(engine, clock=ManualClock(BASE)))
    found = asyncio.run(ask.value(rule, tenant, Grid(NOW, group.interval_ns, 1)))
    return {" ".join(dict(found.labels[row]).values()): one for row, one in at_step(found, 0)}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("PaymentsFail", {"bank": 1.0}),
        ("SlowerThanBefore", {"pay shop": 400.0}),
        ("WentQuiet", {"shop": 400.0}),
        ("service:users:5m", {"payments": 5.0}),
    ],
)
def test_an_example_gives_what_it_looks_for(
    engine: Any, tenant: str, name: str, wanted: dict[str, float]
) -> None:
    assert value(engine, tenant, name) == wanted


def test_the_bounds_are_told_as_they_are() -> None:
    seconds = limits.RULE_SQL_INTERVALS * 15
    assert f"{limits.RULE_SQL_INTERVALS:,} times the interval" in PART
    assert f"{seconds // 3600}h{seconds % 3600 // 60}m at 15 s" in PART
    assert f"{limits.RULE_SERIES:,} rows, or {limits.RULE_SQL_BYTES >> 20} MiB" in PART
