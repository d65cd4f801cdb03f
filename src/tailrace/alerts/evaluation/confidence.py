"""Thresholds on sampled rows: how sure it is that the true value passes them.

A count or a sum over sampled rows is an estimate with a known variance, nearly normal where it is
of some tens of rows. With `min_confidence` a rule's condition holds only where the chance that the
true value passes the threshold is at least that.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from tailrace.core.errors import QueryError
from tailrace.query.logql.ast import Binary, Metric, Number
from tailrace.query.logs.metric import weeklies
from tailrace.query.matrix.binary import COMPARISONS
from tailrace.query.matrix.matrix import Floats, Matrix

_MIRRORED = {">": "<", "<": ">", ">=": "<=", "<=": ">="}
_chance = np.vectorize(lambda score: 0.5 * math.erfc(-score / math.sqrt(2)), otypes=[np.float64])


class Threshold(NamedTuple):
    """`measured op limit`."""

    measured: Metric
    op: str
    limit: float


def threshold(tree: Metric) -> Threshold:
    """What a condition compares with which number. Raises QueryError for any other, and where
    nobody knows how sure it is."""
    if found := weeklies(tree):
        raise QueryError(
            f"min_confidence is not for {found[0].function}, of which nobody knows how sure it is",
            found[0].position,
        )
    if isinstance(tree, Binary) and tree.op in _MIRRORED and not tree.returns_bool:
        if isinstance(tree.right, Number):
            return Threshold(tree.left, tree.op, tree.right.value)
        if isinstance(tree.left, Number):
            return Threshold(tree.right, _MIRRORED[tree.op], tree.left.value)
    raise QueryError("min_confidence needs a condition such as EXPR > 10, without bool", 0)


def passing(found: Matrix, passed: Threshold, least: float) -> Matrix:
    """The samples of which it is so sure that they pass; exact ones pass or do not."""
    with np.errstate(all="ignore"):
        present = found.present & COMPARISONS[passed.op](found.values, np.array(passed.limit))
        if found.variance is not None:
            present &= _sure(found.values, found.variance, passed) >= least
    return Matrix(found.labels, found.values, present, found.variance).without_empty()


def _sure(values: Floats, variance: Floats, passed: Threshold) -> Floats:
    """The chance that the true value passes; 1 where the value is exact."""
    beyond = values - passed.limit if passed.op.startswith(">") else passed.limit - values
    known = variance > 0
    score = beyond / np.sqrt(np.where(known, variance, 1))
    sure: Floats = np.where(known, _chance(score), 1)
    return sure
