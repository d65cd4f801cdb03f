"""What was expected and what there is, side by side, so that a person sees the difference."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Sequence

from tailrace.alerts.promtool.notation import shown
from tailrace.alerts.promtool.suite import AlertTest, ExpectedAlert, ExprTest
from tailrace.core.alerting import Alert, Labels
from tailrace.query.pipeline.template.values import float_text

_ALERT_NAME = "alertname"
# Unequal in the last bits only, as Prometheus' fuzzy comparison has it.
_FUZZ = 1e-15


def alerts(test: AlertTest, firing: Sequence[Alert]) -> str:
    """The difference of the alerts that fire and those expected, "" for none."""
    wanted = sorted(_named(one, test.name) for one in test.expected)
    found = sorted((one.labels, one.annotations) for one in firing)
    return "" if wanted == found else _difference(map(_alert, wanted), map(_alert, found))


def _named(one: ExpectedAlert, name: str) -> tuple[Labels, Labels]:
    labels = {**dict(one.labels), _ALERT_NAME: name}
    return tuple(sorted(labels.items())), one.annotations


def _alert(one: tuple[Labels, Labels]) -> list[str]:
    labels, annotations = one
    return [shown(labels), *(f"    {name}: {text}" for name, text in annotations)]


def samples(test: ExprTest, found: Sequence[tuple[Labels, float]], fuzzy: bool) -> str:
    """The difference of the samples of an expression and those expected, "" for none."""
    wanted, there = sorted(test.expected), sorted(found)
    alike = len(wanted) == len(there) and all(
        one[0] == other[0] and _same(one[1], other[1], fuzzy)
        for one, other in zip(wanted, there, strict=True)
    )
    return "" if alike else _difference(map(_sample, wanted), map(_sample, there))


def _same(one: float, other: float, fuzzy: bool) -> bool:
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return one == other or (fuzzy and math.isclose(one, other, rel_tol=_FUZZ))


def _sample(one: tuple[Labels, float]) -> list[str]:
    return [f"{shown(one[0])} {float_text(one[1])}"]


def _difference(wanted: Iterator[list[str]], found: Iterator[list[str]]) -> str:
    """Lines that are only expected begin with -, those that only are there with +."""
    before = [line for one in wanted for line in one] or ["nothing"]
    after = [line for one in found for line in one] or ["nothing"]
    lines = [line for line in difflib.ndiff(before, after) if not line.startswith("?")]
    return "\n".join(f"    {line}" for line in lines)
