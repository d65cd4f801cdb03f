"""The door: the stages of a query, compiled once, run over row after row."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from tailrace.query.logql.ast import (
    Decolorize,
    Drop,
    JsonParser,
    Keep,
    LabelFilter,
    LabelFormat,
    LineFilter,
    LineFormat,
    LogfmtParser,
    PatternParser,
    RegexpParser,
    Stage,
    Unpack,
    Unwrap,
)
from tailrace.query.pipeline import units
from tailrace.query.pipeline.choosing import decolorize, drop_step, keep_step
from tailrace.query.pipeline.extractors import pattern_step, regexp_step, unpack
from tailrace.query.pipeline.formatting import label_format_step, line_format_step
from tailrace.query.pipeline.jsonfields import json_step
from tailrace.query.pipeline.jsonpath import json_paths_step
from tailrace.query.pipeline.labelfilter import label_step, label_test
from tailrace.query.pipeline.labels import LabelSet
from tailrace.query.pipeline.linefilter import line_test
from tailrace.query.pipeline.logfmt import logfmt_step
from tailrace.query.pipeline.needed import names, needed
from tailrace.query.pipeline.step import SAMPLE_ERROR, Step


class Row(NamedTuple):
    """A row that passed: its line and labels as the stages left them."""

    line: str
    labels: LabelSet


class Sample(NamedTuple):
    """A row that passed, and its unwrapped value.

    Where `labels.error` is set the value is 0 and means nothing: the query fails with that error.
    """

    value: float
    line: str
    labels: LabelSet


class Pipeline:
    """`stages` in order. Raises QueryError for one that is wrong, with the place of the stage.

    `wanted`: names of the only labels that the caller will look at afterwards (those of a `by`),
    None for all; then parsers leave out what no stage reads either. `now_ns`: what templates call
    `now`. Not for use by several threads at once.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        wanted: frozenset[str] | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        first = 0
        while first < len(stages) and isinstance(stages[first], LineFilter):
            first += 1
        self._tests = [line_test(one) for one in stages[:first] if isinstance(one, LineFilter)]
        later = stages[first:]
        # Errors come in the order of the text.
        steps = [_step(stage, None, now_ns) for stage in later]
        if wanted is not None:
            reads = needed(later, wanted)
            steps = [_step(one, read, now_ns) for one, read in zip(later, reads, strict=True)]
        self._steps = steps

    def process(
        self, time_ns: int, line: str, stream: Mapping[str, str], metadata: Mapping[str, str]
    ) -> Row | None:
        """The row after all stages, None where it is filtered out. No line makes it raise.

        The mappings may be shared between rows: they are never changed.
        """
        for test in self._tests:
            if not test(line):
                return None
        labels = LabelSet(stream, metadata)
        text: str | None = line
        for step in self._steps:
            text = step(text, labels, time_ns)  # type: ignore[arg-type]  # None returns at once
            if text is None:
                return None
        return Row(text, labels)  # type: ignore[arg-type]


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
        """The value and labels without the unwrapped one; None where there is no such label, or
        the row is filtered out. Filters after unwrap still see that label."""
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
        return Sample(value, row.line, labels)


_CONVERSIONS = {
    "": (units.number, "number"),
    "bytes": (units.size_bytes, "size in bytes"),
    "duration": (units.duration_seconds, "duration"),
    "duration_seconds": (units.duration_seconds, "duration"),
}


def _step(stage: Stage, wanted: frozenset[str] | None, now_ns: Callable[[], int]) -> Step:
    match stage:
        case LineFilter():
            test = line_test(stage)
            return lambda line, _labels, _time_ns: line if test(line) else None
        case LabelFilter():
            return label_step(stage)
        case JsonParser():
            if stage.extractions:
                return json_paths_step(stage.extractions, stage.position)
            return json_step(wanted)
        case LogfmtParser():
            return logfmt_step(stage, wanted)
        case RegexpParser():
            return regexp_step(stage)
        case PatternParser():
            return pattern_step(stage)
        case Unpack():
            return unpack
        case LineFormat():
            return line_format_step(stage, now_ns)
        case LabelFormat():
            return label_format_step(stage, now_ns)
        case Decolorize():
            return decolorize
        case Drop():
            return drop_step(stage)
        case Keep():
            return keep_step(stage)
