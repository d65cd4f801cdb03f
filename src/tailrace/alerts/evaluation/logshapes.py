"""Leaves of LogQL that are alike but for the value of `service_name="..."`: one shape.

A leaf of a shape reads the rows of one service. With `service_name` as one more label of its groups
it reads those of many, and the series of a service are what a leaf of it alone would have found:
no row is of two services, and nothing in a leaf joins series. A rate is a count, and so is the
absence of rows, so leaves that differ in that alone are of one shape, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tailrace.query.absence import absent
from tailrace.query.expressions import any_text
from tailrace.query.logql.ast import (
    Binary,
    Drop,
    JsonParser,
    Keep,
    LabelFormat,
    LabelReplace,
    LogfmtParser,
    Matcher,
    Metric,
    RangeAggregation,
    Stage,
    VectorAggregation,
    Weekly,
)
from tailrace.query.logs.leaf import Leaf
from tailrace.query.logs.partials import PER_SECOND, WHOLE
from tailrace.query.logs.ranges import counted
from tailrace.query.matrix.aggregate import RANKED
from tailrace.query.matrix.grouping import Grouping
from tailrace.query.matrix.matrix import Matrix

SERVICE = "service_name"
# What is counted for a rate.
_PER_RANGE = {"rate": "count_over_time", "bytes_rate": "bytes_over_time"}


def shaped(leaf: Leaf) -> tuple[Leaf, str] | None:
    """The shape of a leaf, and its service. None where it has none, or where its series might not
    tell it."""
    found = leaf.aggregation
    named = [one for one in found.query.matchers if one.name == SERVICE]
    if len(named) != 1 or named[0].op != "=" or not named[0].value or not _stays(found):
        return None
    if found.function == "absent_over_time":
        found = counted(found)
    elif _is_counted(found):
        found = replace(found, function=_PER_RANGE[found.function])
    if found.grouping is not None and found.grouping.without:
        if SERVICE in found.grouping.labels:
            return None
    elif found.grouping is not None:
        others = (one for one in found.grouping.labels if one != SERVICE)
        found = replace(found, grouping=Grouping(False, (*others, SERVICE)))
    rest = tuple(one for one in found.query.matchers if one.name != SERVICE)
    return Leaf(replace(found, query=replace(found.query, matchers=rest)), leaf.named), named[
        0
    ].value


def _is_counted(found: RangeAggregation) -> bool:
    """Whether it is what `_PER_RANGE` says, by time."""
    return found.function in PER_SECOND and found.unwrap is None


def _stays(found: RangeAggregation) -> bool:
    """Whether rows still have the label, as it was, where they are put in groups."""
    if found.unwrap is not None and found.unwrap.label == SERVICE:
        return False
    return all(map(_leaves_alone, found.query.stages))


def _leaves_alone(stage: Stage) -> bool:
    match stage:
        case JsonParser() | LogfmtParser():
            return all(one.label != SERVICE for one in stage.extractions)
        case LabelFormat():
            return all(SERVICE not in (one.label, one.source) for one in stage.assignments)
        case Drop():
            return all(one.name != SERVICE for one in stage.chosen)
        case Keep():
            return any(one.name == SERVICE and not one.op for one in stage.chosen)
        case _:
            return True


def ranks(query: Metric) -> bool:
    """Whether it keeps some of several series: of equal ones it is the first, and which one that is
    depends on what else is read."""
    match query:
        case VectorAggregation():
            return query.function in RANKED or ranks(query.inner)
        case LabelReplace() | Weekly():
            return ranks(query.inner)
        case Binary():
            return ranks(query.left) or ranks(query.right)
        case _:
            return False


def of_services(shape: Leaf, services: Sequence[str]) -> Leaf:
    """The leaf of a shape that reads the rows of these services, one at least."""
    op, value = ("=", services[0]) if len(services) == 1 else ("=~", any_text(services))
    query = shape.aggregation.query
    matchers = (Matcher(SERVICE, op, value), *query.matchers)
    return Leaf(replace(shape.aggregation, query=replace(query, matchers=matchers)), shape.named)


def by_service(found: Matrix, services: Sequence[str]) -> dict[str, Matrix]:
    """The series of each of these services."""
    places: dict[str, list[int]] = {name: [] for name in services}
    for row, labels in enumerate(found.labels):
        places[dict(labels)[SERVICE]].append(row)
    return {name: found.rows(np.array(rows, np.intp)) for name, rows in places.items()}


def own(leaf: Leaf, found: Matrix) -> Matrix | None:
    """What a leaf would have found, from the series of its service. None where that is not known:
    of some functions the variance is, where no row of any service was sampled."""
    query = leaf.aggregation
    if found.variance is None and query.function not in WHOLE:
        return None
    if query.function == "absent_over_time":
        return absent(found, query.query.matchers)
    if _is_counted(query):
        found = _per_second(found, query.range_ns / 1e9)
    by = query.grouping
    if by is None or by.without or SERVICE in by.labels:
        return found
    labels = [tuple(pair for pair in one if pair[0] != SERVICE) for one in found.labels]
    return replace(found, labels=labels)


def _per_second(found: Matrix, seconds: float) -> Matrix:
    variance = None if found.variance is None else found.variance / seconds**2
    return replace(found, values=found.values / seconds, variance=variance)
