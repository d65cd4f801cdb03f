"""Vectors of one step, as dictionaries {labels: value}, and what Prometheus does with them.

Slow and obvious: from the published semantics of operators and aggregations, without arrays. What
is wrong at one step is wrong for the whole answer, and raises Refused.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

Labels = tuple[tuple[str, str], ...]
Vector = dict[Labels, float]

NAME = "__name__"


class Refused(Exception):
    """The query has no answer."""


def only(labels: Labels, names: Iterable[str]) -> Labels:
    return tuple(pair for pair in labels if pair[0] in tuple(names))


def but(labels: Labels, names: Iterable[str]) -> Labels:
    return tuple(pair for pair in labels if pair[0] not in tuple(names))


def with_label(labels: Labels, name: str, value: str) -> Labels:
    """An empty value is no label."""
    found = {**dict(labels), name: value}
    return tuple(sorted((k, v) for k, v in found.items() if v))


def unique(pairs: Iterable[tuple[Labels, float]]) -> Vector:
    """Raises Refused when two samples of a vector have the same labels."""
    found: Vector = {}
    for labels, value in pairs:
        if labels in found:
            raise Refused("the same labels twice")
        found[labels] = value
    return found


# Operators


def power(left: float, right: float) -> float:
    try:
        found = left**right
    except OverflowError:
        odd = right == int(right) and int(right) % 2 == 1
        return -math.inf if left < 0 and odd else math.inf
    except ZeroDivisionError:
        odd = right == int(right) and int(right) % 2 == 1
        return math.copysign(math.inf, left) if odd else math.inf
    return math.nan if isinstance(found, complex) else found


def divided(left: float, right: float) -> float:
    if right != 0:
        return left / right
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1, right)


def remainder(left: float, right: float) -> float:
    """With the sign of the left side, as in C."""
    if right == 0 or math.isinf(left) or math.isnan(left) or math.isnan(right):
        return math.nan
    return math.fmod(left, right)


ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": divided, "%": remainder,
    "^": power, "atan2": math.atan2,
}  # fmt: skip
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq, "!=": operator.ne, ">": operator.gt, ">=": operator.ge, "<": operator.lt,
    "<=": operator.le,
}  # fmt: skip


def operated(op: str, left: float, right: float, returns_bool: bool) -> float | None:
    """The value of two samples, None where a comparison filters it out."""
    if op in ARITHMETIC:
        return ARITHMETIC[op](left, right)
    holds = COMPARISONS[op](left, right)
    if returns_bool:
        return float(holds)
    return left if holds else None


def keeps_name(op: str, returns_bool: bool) -> bool:
    return op in COMPARISONS and not returns_bool


def with_number(
    op: str, vector: Vector, number: float, returns_bool: bool, number_first: bool
) -> Vector:
    """A comparison filters the vector, on whichever side it stands."""
    found = []
    for labels, value in vector.items():
        sides = (number, value) if number_first else (value, number)
        result = operated(op, *sides, returns_bool)
        if result is None:
            continue
        if keeps_name(op, returns_bool):
            found.append((labels, value))
        else:
            found.append((but(labels, [NAME]), result))
    return unique(found)


# Matching


def signature(labels: Labels, matching: Any) -> Labels:
    """What has to be equal for two samples to meet."""
    if matching.on:
        return only(labels, matching.labels)
    return but(labels, [*matching.labels, NAME])


def joined(op: str, left: Vector, right: Vector, matching: Any, returns_bool: bool) -> Vector:
    """Arithmetic and comparisons of two vectors."""
    if not left or not right:
        return {}
    many, one = (right, left) if matching.group == "right" else (left, right)
    ones: dict[Labels, Labels] = {}
    for labels in one:
        key = signature(labels, matching)
        if key in ones:
            raise Refused("several on the side that may have one")
        ones[key] = labels
    met = set()
    found = []
    for labels in many:
        key = signature(labels, matching)
        if key not in ones:
            continue
        values = (many[labels], one[ones[key]])
        sides = values[::-1] if matching.group == "right" else values
        result = operated(op, *sides, returns_bool)
        if result is None:
            continue
        if not matching.group and key in met:
            raise Refused("many to one without group_left or group_right")
        met.add(key)
        own = labels if keeps_name(op, returns_bool) else but(labels, [NAME])
        found.append((result_labels(own, ones[key], matching), result))
    return unique(found)


def result_labels(own: Labels, other: Labels, matching: Any) -> Labels:
    """Of one to one the labels that were matched; else those of the many, and what they take."""
    if not matching.group:
        return only(own, matching.labels) if matching.on else but(own, matching.labels)
    for name in matching.include:
        own = with_label(own, name, dict(other).get(name, ""))
    return own


def sets(op: str, left: Vector, right: Vector, matching: Any) -> Vector:
    """`and`, `or`, `unless`."""
    lefts = {signature(labels, matching) for labels in left}
    rights = {signature(labels, matching) for labels in right}
    if op == "and":
        return {k: v for k, v in left.items() if signature(k, matching) in rights}
    if op == "unless":
        return {k: v for k, v in left.items() if signature(k, matching) not in rights}
    more = [(k, v) for k, v in right.items() if signature(k, matching) not in lefts]
    return unique([*left.items(), *more])


# Aggregations


def group_of(labels: Labels, grouping: Any) -> Labels:
    if grouping.without:
        return but(labels, [*grouping.labels, NAME])
    return only(labels, grouping.labels)


def aggregated(function: str, grouping: Any, vector: Vector, parameter: Any = None) -> Vector:
    """Of topk and its like see `ranked`, which is not one answer where values are equal."""
    groups: dict[Labels, list[float]] = {}
    for labels, value in vector.items():
        groups.setdefault(group_of(labels, grouping), []).append(value)
    if function == "count_values":
        counts: Vector = {}
        for group, values in groups.items():
            for value in values:
                key = with_label(group, parameter, spelled(value))
                counts[key] = counts.get(key, 0) + 1
        return counts
    return {group: folded(function, values, parameter) for group, values in groups.items()}


def spelled(value: float) -> str:
    """The shortest decimal text."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return format(Decimal(repr(value)), "f").removesuffix(".0")


def folded(function: str, values: Sequence[float], parameter: Any) -> float:
    count = len(values)
    match function:
        case "count":
            return count
        case "group":
            return 1
        case "sum":
            return sum(values)
        case "avg":
            return sum(values) / count
        case "min":
            return min((v for v in values if not math.isnan(v)), default=math.nan)
        case "max":
            return max((v for v in values if not math.isnan(v)), default=math.nan)
        case "stdvar":
            mean = sum(values) / count
            return sum((v - mean) ** 2 for v in values) / count
        case "stddev":
            return math.sqrt(folded("stdvar", values, None))
        case "quantile":
            return quantile(values, parameter)
    raise AssertionError(function)


def quantile(values: Sequence[float], q: float) -> float:
    """NaN is smaller than any number."""
    if math.isnan(q):
        return math.nan
    if q < 0 or q > 1:
        return math.copysign(math.inf, q)
    inner = sorted(values, key=lambda v: (not math.isnan(v), v))
    rank = q * (len(inner) - 1)
    low = math.floor(rank)
    high = min(low + 1, len(inner) - 1)
    part = rank - low
    return inner[low] * (1 - part) + inner[high] * part


def check_ranked(function: str, grouping: Any, vector: Vector, count: float, kept: Vector) -> None:
    """Asserts that `kept` is one of the answers of topk, bottomk, approx_topk or limitk."""
    assert kept.keys() <= vector.keys()
    whole = max(0, int(count))
    groups: dict[Labels, list[Labels]] = {}
    for labels in vector:
        groups.setdefault(group_of(labels, grouping), []).append(labels)
    for members in groups.values():
        stayed = [vector[one] for one in members if one in kept]
        assert len(stayed) == min(whole, len(members))
        if function == "limitk":
            continue
        # What stays is what a sorted list begins with, NaN at its end.
        down = function != "bottomk"
        best = in_order([vector[one] for one in members], down)[:whole]
        assert [str(v) for v in in_order(stayed, down)] == [str(v) for v in best]


# Others


def replaced(
    labels: Labels, destination: str, replacement: str, source: str, pattern: str
) -> Labels:
    """label_replace of the labels of one series; the replacement as Python's re writes it."""
    found = re.fullmatch(pattern, dict(labels).get(source, ""), re.S)
    if found is None:
        return labels
    return with_label(labels, destination, found.expand(replacement))


def in_order(values: Iterable[float], descending: bool) -> list[float]:
    """NaN last."""
    found = list(values)
    numbers = sorted((v for v in found if not math.isnan(v)), reverse=descending)
    return [*numbers, *(v for v in found if math.isnan(v))]
