"""Series put in groups by some of their labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from tailrace.query.labels import Labels
from tailrace.query.matrix.grouping import Grouping

NAME = "__name__"


def chosen(labels: Labels, grouping: Grouping) -> Labels:
    """The labels of a group; `without` takes the name of a metric away, too."""
    names = frozenset(grouping.labels)
    if grouping.without:
        return tuple(pair for pair in labels if pair[0] not in names and pair[0] != NAME)
    return tuple(pair for pair in labels if pair[0] in names)


def grouped(labels: Sequence[Labels], grouping: Grouping) -> tuple[list[Labels], NDArray[np.intp]]:
    """The groups in the order they are met, and the number of each series' group."""
    return numbered(chosen(one, grouping) for one in labels)


def numbered(keys: Iterable[Labels]) -> tuple[list[Labels], NDArray[np.intp]]:
    """The different keys in the order they are met, and the number of each."""
    found: dict[Labels, int] = {}
    numbers = [found.setdefault(key, len(found)) for key in keys]
    return list(found), np.array(numbers, np.intp)


def without_name(labels: Labels) -> Labels:
    """Without the name of a metric."""
    return tuple(pair for pair in labels if pair[0] != NAME)
