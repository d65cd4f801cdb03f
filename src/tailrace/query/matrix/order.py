"""Series by the size of their values: topk and its like, and sorting."""

from __future__ import annotations

from typing import Any

import numpy as np

from tailrace.query.matrix.grouping import Grouping
from tailrace.query.matrix.groups import grouped
from tailrace.query.matrix.matrix import Bools, Floats, Matrix


def largest(function: str, operand: Matrix, numbers: Any, groups: int, count: int) -> Bools:
    """Where a sample is one of the `count` that stay in its group at its step.

    topk and approx_topk keep the largest, bottomk the smallest, limitk any. NaN stays only where
    there are not enough others; of equal ones the first series stays.
    """
    kept = np.zeros_like(operand.present)
    if not count:
        return kept
    values = operand.values if function != "bottomk" else -operand.values
    if function == "limitk":
        values = np.zeros_like(values)
    # By what is kept first: those that are there, numbers before NaN, large before small.
    weights = np.where(np.isnan(values), -np.inf, values)
    for group in range(groups):
        rows = np.flatnonzero(numbers == group)
        there = operand.present[rows]
        order = np.lexsort((-weights[rows], np.isnan(values[rows]), ~there), axis=0)[:count]
        best = np.zeros_like(there)
        np.put_along_axis(best, order, True, axis=0)
        kept[rows] = best & there
    return kept


def ordered(operand: Matrix, descending: bool) -> Matrix:
    """By the value at the only step of an instant query; NaN last. Over a range nothing moves."""
    if operand.steps != 1:
        return operand
    return operand.rows(np.lexsort(_keys(operand, descending)))


def ranked(operand: Matrix, grouping: Grouping, descending: bool) -> Matrix:
    """As `ordered`, group by group."""
    if operand.steps != 1:
        return operand
    _, numbers = grouped(operand.labels, grouping)
    return operand.rows(np.lexsort((*_keys(operand, descending), numbers)))


def _keys(operand: Matrix, descending: bool) -> tuple[Floats, Bools]:
    """What the series of one step are sorted by, the weightiest last."""
    values = operand.values[:, 0]
    keys = -values if descending else values
    return np.where(np.isnan(values), 0.0, keys), np.isnan(values)
