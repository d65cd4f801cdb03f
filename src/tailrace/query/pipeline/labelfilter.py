"""Filters on labels: text, numbers, durations, sizes and addresses, with `and` and `or`."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TypeAlias

from tailrace.core.limits import PIPELINE_CACHED_VALUES
from tailrace.query.logql.ast import AllOf, AnyOf, Comparison, Condition, LabelFilter
from tailrace.query.pipeline import addresses, units
from tailrace.query.pipeline.labels import LabelSet
from tailrace.query.pipeline.regex import value_test
from tailrace.query.pipeline.step import FILTER_ERROR, Step, refuse

Test: TypeAlias = Callable[[LabelSet], bool]
Convert: TypeAlias = Callable[[str], float | None]
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_CONVERT: dict[str, tuple[Convert, str]] = {
    "number": (units.number, "number"),
    "duration": (units.duration_ns, "duration"),
    "bytes": (units.size_bytes, "size in bytes"),
}
# Longer values are not kept.
_KEPT_CHARS = 64
_UNKNOWN = object()


def label_step(stage: LabelFilter) -> Step:
    """`| condition`. Raises QueryError."""
    test = label_test(stage.condition)

    def step(line: str, labels: LabelSet, _time_ns: int) -> str | None:
        return line if test(labels) else None

    return step


def label_test(condition: Condition) -> Test:
    """Whether a row passes; marks the row where a value cannot be converted. Raises QueryError."""
    if isinstance(condition, Comparison):
        return _comparison(condition)
    kind = type(condition)
    # A chain is as deep as it is long on its left side.
    parts = [condition.right]
    left = condition.left
    while isinstance(left, AllOf | AnyOf) and type(left) is kind:
        parts.append(left.right)
        left = left.left
    tests = [label_test(part) for part in [left, *reversed(parts)]]
    if kind is AllOf:
        return lambda labels: all(test(labels) for test in tests)
    return lambda labels: any(test(labels) for test in tests)


def _comparison(stage: Comparison) -> Test:
    if stage.kind == "string":
        return _text(stage)
    if stage.kind == "ip":
        return _address(stage)
    compare = _COMPARE.get(stage.op)
    if compare is None:
        raise refuse(f"{stage.op!r} does not compare numbers", stage.position)
    convert, what = _CONVERT[stage.kind]
    return _number(stage.name, compare, float(stage.value), convert, what)


def _text(stage: Comparison) -> Test:
    name = stage.name
    test = value_test(stage.op, str(stage.value), stage.position)
    return lambda labels: test(labels.find(name) or "")


def _address(stage: Comparison) -> Test:
    if stage.op not in ("=", "==", "!="):
        raise refuse("ip() goes with = and != alone", stage.position)
    name, positive = stage.name, stage.op != "!="
    found = addresses.finder(str(stage.value), stage.position)

    def test(labels: LabelSet) -> bool:
        if labels.error:
            return True
        value = labels.find(name)
        return value is not None and found(value) == positive

    return test


def _number(
    name: str,
    compare: Callable[[float, float], bool],
    wanted: float,
    convert: Convert,
    what: str,
) -> Test:
    # Values repeat. None: it cannot be converted.
    known: dict[str, bool | None] = {}

    def judge(value: str) -> bool | None:
        converted = convert(value)
        verdict = None if converted is None else compare(converted, wanted)
        if len(known) >= PIPELINE_CACHED_VALUES:
            known.clear()
        if len(value) <= _KEPT_CHARS:
            known[value] = verdict
        return verdict

    def test(labels: LabelSet) -> bool:
        value = labels.parsed_labels.get(name)
        if labels.error:
            return True
        if value is None:
            value = labels.find(name)
            if value is None:
                return False
        verdict = known.get(value, _UNKNOWN)
        if verdict is _UNKNOWN:
            verdict = judge(value)
        if verdict is None:
            labels.fail(FILTER_ERROR, f"{name}: {value[:100]!r} is no {what}")
            return True
        return verdict is True

    return test
