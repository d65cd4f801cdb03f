"""Which series of two sides belong together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tailrace.core.errors import QueryError
from tailrace.core.limits import QUERY_SERIES_SUMMED
from tailrace.query.labels import Labels
from tailrace.query.matrix.grouping import Matching
from tailrace.query.matrix.groups import NAME, numbered, without_name
from tailrace.query.matrix.matrix import Bools, Matrix

Numbers = NDArray[np.intp]


@dataclass(frozen=True)
class Pairs:
    """Numbers of series on the left and on the right that meet, the labels of the result, and the
    number of what they met by; there `single` says that one may meet one at each step."""

    left: Numbers
    right: Numbers
    labels: list[Labels]
    met: Numbers
    single: bool

    def check(self, there: Bools) -> None:
        """Raises QueryError where several series meet one and the query has not said so. `there`:
        where each pair gives a sample."""
        if not self.single or not len(self.labels):
            return
        count = np.zeros((int(self.met.max()) + 1, there.shape[1]), np.int64)
        np.add.at(count, self.met, there)
        if (count > 1).any():
            number = np.flatnonzero((count > 1).any(axis=1))[0]
            own = self.labels[int(np.flatnonzero(self.met == number)[0])]
            raise QueryError(
                f"several series on the left side meet one on the right for {dict(own)}: match "
                "more labels, or say group_left or group_right"
            )


def signature(labels: Labels, matching: Matching) -> Labels:
    """The labels by which a series meets others."""
    names = frozenset(matching.labels)
    if matching.on:
        return tuple(pair for pair in labels if pair[0] in names)
    return tuple(pair for pair in labels if pair[0] not in names and pair[0] != NAME)


def joined(left: Matrix, right: Matrix, matching: Matching, keeps_name: bool) -> Pairs:
    """Series that meet. Raises QueryError where the side that may have one has several.

    Of several series with the same signature that are never there at the same step, each meets.
    """
    many, one = (right, left) if matching.group == "right" else (left, right)
    known = _by_signature(one, matching)
    # Nothing meets, and so nothing is wrong, where a side has no samples.
    both: Bools = np.logical_and(left.present.any(axis=0), right.present.any(axis=0))
    _check_one(one, known, both, "one" if matching.group else "right")
    rows: list[int] = []
    others: list[int] = []
    keys: list[Labels] = []
    for row, own in enumerate(many.labels):
        key = signature(own, matching)
        for other in known.get(key, ()):
            rows.append(row)
            others.append(other)
            keys.append(key)
    if len(rows) > QUERY_SERIES_SUMMED:
        raise QueryError(f"the join has more than {QUERY_SERIES_SUMMED} series")
    labels = [
        _result(many.labels[row], one.labels[other], matching, keeps_name)
        for row, other in zip(rows, others, strict=True)
    ]
    first, second = np.array(rows, np.intp), np.array(others, np.intp)
    if matching.group == "right":
        first, second = second, first
    return Pairs(first, second, labels, numbered(keys)[1], single=not matching.group)


def _by_signature(series: Matrix, matching: Matching) -> dict[Labels, list[int]]:
    found: dict[Labels, list[int]] = {}
    for row, labels in enumerate(series.labels):
        found.setdefault(signature(labels, matching), []).append(row)
    return found


def _check_one(series: Matrix, known: dict[Labels, list[int]], both: Bools, side: str) -> None:
    for key, rows in known.items():
        if len(rows) > 1 and ((series.present[rows].sum(axis=0) > 1) & both).any():
            raise QueryError(
                f"several series on the {side} side match the labels {dict(key)}: "
                "many-to-many matching is not allowed"
            )


def _result(own: Labels, other: Labels, matching: Matching, keeps_name: bool) -> Labels:
    if not matching.group:
        found = own if keeps_name else without_name(own)
        names = frozenset(matching.labels)
        if matching.on:
            return tuple(pair for pair in found if pair[0] in names)
        return tuple(pair for pair in found if pair[0] not in names)
    kept = dict(own if keeps_name else without_name(own))
    theirs = dict(other)
    for name in matching.include:
        if theirs.get(name):
            kept[name] = theirs[name]
        else:
            kept.pop(name, None)
    return tuple(sorted(kept.items()))


def set_operation(op: str, left: Matrix, right: Matrix, matching: Matching) -> Matrix:
    """`and`, `or` and `unless`: by signature, at each step."""
    if op == "or":
        return _either(left, right, matching)
    there = _there(right, matching)
    nothing = np.zeros(left.steps, np.bool_)
    found = [there.get(signature(labels, matching), nothing) for labels in left.labels]
    met = np.array(found, np.bool_).reshape(left.present.shape)
    present = left.present & (met if op == "and" else ~met)
    return Matrix(left.labels, left.values, present, left.variance)


def _there(series: Matrix, matching: Matching) -> dict[Labels, Bools]:
    """Of each signature, the steps at which any series with it has a sample."""
    found: dict[Labels, Bools] = {}
    for row, labels in enumerate(series.labels):
        key = signature(labels, matching)
        found[key] = found[key] | series.present[row] if key in found else series.present[row]
    return found


def _either(left: Matrix, right: Matrix, matching: Matching) -> Matrix:
    """All of the left, and of the right what has no partner there."""
    others = set_operation("unless", right, left, matching)
    places = {labels: row for row, labels in enumerate(left.labels)}
    more = [row for row, labels in enumerate(right.labels) if labels not in places]
    count = len(left.labels) + len(more)
    values, present = np.zeros((count, left.steps)), np.zeros((count, left.steps), np.bool_)
    values[: len(left.labels)], present[: len(left.labels)] = left.values, left.present
    known = left.variance is not None and right.variance is not None
    variance = np.zeros((count, left.steps)) if known else None
    if variance is not None and left.variance is not None:
        variance[: len(left.labels)] = left.variance
    new = {row: len(left.labels) + n for n, row in enumerate(more)}
    for row, labels in enumerate(right.labels):
        place = places.get(labels, new.get(row, 0))
        taken = others.present[row] & ~present[place]
        values[place] = np.where(taken, right.values[row], values[place])
        if variance is not None and right.variance is not None:
            variance[place] = np.where(taken, right.variance[row], variance[place])
        present[place] |= taken
    all_labels = [*left.labels, *(right.labels[row] for row in more)]
    return Matrix(all_labels, values, present, variance)
