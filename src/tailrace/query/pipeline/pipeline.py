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
)
from tailrace.query.pipeline.choosing import decolorize, drop_step, keep_step
from tailrace.query.pipeline.extractors import pattern_step, regexp_step, unpack
from tailrace.query.pipeline.formatting import label_format_step, line_format_step
from tailrace.query.pipeline.jsonfields import json_step
from tailrace.query.pipeline.jsonpath import json_paths_step
from tailrace.query.pipeline.labelfilter import label_step
from tailrace.query.pipeline.labels import LabelSet
from tailrace.query.pipeline.linefilter import line_test
from tailrace.query.pipeline.logfmt import logfmt_step
from tailrace.query.pipeline.needed import needed
from tailrace.query.pipeline.step import Step


class Row(NamedTuple):
    """A row that passed: its line and labels as the stages left them."""

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
        for step in self._steps:
            left = step(line, labels, time_ns)
            if left is None:
                return None
            line = left
        return Row(line, labels)


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
