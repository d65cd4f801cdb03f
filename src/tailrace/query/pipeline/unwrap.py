"""Stages and then `unwrap`: numbers from labels."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from tailrace.query.logql.ast import Stage, Unwrap
from tailrace.query.pipeline import units
from tailrace.query.pipeline.labelfilter import label_test
from tailrace.query.pipeline.needed import names
from tailrace.query.pipeline.pipeline import Pipeline, Row
from tailrace.query.pipeline.step import SAMPLE_ERROR

_CONVERSIONS = {
    "": (units.number, "number"),
    "bytes": (units.size_bytes, "size in bytes"),
    "duration": (units.duration_seconds, "duration"),
    "duration_seconds": (units.duration_seconds, "duration"),
}


class Sample(NamedTuple):
    """A row that passed, without the unwrapped label, and its value.

    Where `row.labels.error` is set the value may mean nothing: the query fails with that error.
    """

    row: Row
    value: float


class Unwrapper:
    """`stages` and then `unwrap`. Raises QueryError; arguments as those of Pipeline."""

    def __init__(
        self,
        stages: Sequence[Stage],
        unwrap: Unwrap,
        wanted: frozenset[str] | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        if wanted is not None:
            wanted |= {unwrap.label}
            for one in unwrap.filters:
                wanted |= set(names(one.condition))
        self._pipeline = Pipeline(stages, wanted, now_ns)
        self._label = unwrap.label
        self._convert, self._what = _CONVERSIONS[unwrap.conversion]
        self._filters = [label_test(one.condition) for one in unwrap.filters]

    def process(
        self, time_ns: int, line: str, stream: Mapping[str, str], metadata: Mapping[str, str]
    ) -> Sample | None:
        """None where there is no such label, or the row is filtered out. Filters after unwrap
        still see that label. No line makes it raise."""
        row = self._pipeline.process(time_ns, line, stream, metadata)
        if row is None:
            return None
        labels = row.labels
        text = labels.find(self._label)
        if text is None:
            return None
        value = self._convert(text)
        if value is None:
            labels.fail(SAMPLE_ERROR, f"{self._label}: {text[:100]!r} is no {self._what}")
            value = 0.0
        for test in self._filters:
            if not test(labels):
                return None
        labels.remove(self._label)
        return Sample(row, value)
