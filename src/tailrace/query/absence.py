"""Where no series is there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tailrace.query.logql.ast import Matcher
from tailrace.query.matrix.matrix import Matrix


def absent(found: Matrix, matchers: Sequence[Matcher]) -> Matrix:
    """1 at the steps at which no series is there, with the labels of which the matchers that would
    have found some are sure."""
    names = [one.name for one in matchers]
    equal = [one for one in matchers if one.op == "=" and one.value]
    labels = tuple(sorted((m.name, m.value) for m in equal if names.count(m.name) == 1))
    present = ~found.present.any(axis=0).reshape(1, -1)
    return Matrix([labels], np.ones(present.shape), present).without_empty()
