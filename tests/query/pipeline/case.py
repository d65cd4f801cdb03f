"""One row through stages: what comes out of it.

`logql` is the text that parses to `stages`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tailrace.query.logql.ast import (
    AllOf,
    AnyOf,
    Assignment,
    Comparison,
    Condition,
    JsonParser,
    LabelFilter,
    LabelFormat,
    LineFilter,
    LineFormat,
    LogfmtParser,
    Needle,
    Stage,
)
from tailrace.query.pipeline.pipeline import Pipeline, Row

STREAM = {"app": "shop", "env": "prod"}
METADATA = {"trace_id": "t1"}
# 2026-01-02T03:04:05.678Z, the time of the row, and what `now` says.
TIME_NS = 1_767_323_045_678_000_000
NOW_NS = 1_767_400_000_000_000_000
DROPPED = None
UNCHANGED = "\0unchanged"


@dataclass(frozen=True)
class Case:
    """`line` comes out as `becomes` (DROPPED: not at all), with the labels `parsed`.

    `details` of errors are left out of `parsed`. `stream` and `metadata`: where they change.
    """

    logql: str
    stages: tuple[Stage, ...]
    line: str
    becomes: str | None = UNCHANGED
    parsed: dict[str, str] = field(default_factory=dict)
    stream: dict[str, str] = field(default_factory=lambda: dict(STREAM))
    metadata: dict[str, str] = field(default_factory=lambda: dict(METADATA))

    def check(self) -> None:
        """Runs and compares."""
        row = run(self.stages, self.line)
        if self.becomes is DROPPED:
            assert row is None, row
            return
        assert row is not None
        parsed = row.labels.parsed()
        assert ("__error__" in parsed) == ("__error_details__" in parsed)
        parsed.pop("__error_details__", "")
        assert parsed == self.parsed
        assert row.line == (self.line if self.becomes == UNCHANGED else self.becomes)
        assert row.labels.stream() == self.stream
        assert row.labels.metadata() == self.metadata


def run(stages: tuple[Stage, ...], line: str) -> Row | None:
    """One row of STREAM and METADATA through `stages`."""
    row = Pipeline(stages, now_ns=lambda: NOW_NS).process(TIME_NS, line, STREAM, METADATA)
    assert STREAM == {"app": "shop", "env": "prod"}
    assert METADATA == {"trace_id": "t1"}
    return row


def lines(op: str, *values: str) -> LineFilter:
    """`op "value" or "value"`"""
    return LineFilter(op, tuple(Needle(value) for value in values))


def ip(op: str, value: str) -> LineFilter:
    """`op ip("value")`"""
    return LineFilter(op, (Needle(value, ip=True),))


def text(name: str, op: str, value: str) -> Comparison:
    """`name op "value"`"""
    return Comparison(name, op, value, "string")


def where(first: Condition, *others: Condition) -> LabelFilter:
    """`| first and other`"""
    for other in others:
        first = AllOf(first, other)
    return LabelFilter(first)


def either(left: Condition, right: Condition) -> LabelFilter:
    """`| left or right`"""
    return LabelFilter(AnyOf(left, right))


def line_format(template: str) -> LineFormat:
    """`| line_format "template"`"""
    return LineFormat(template)


def label_format(**templates: str) -> LabelFormat:
    """`| label_format name="template"`"""
    return LabelFormat(tuple(Assignment(k, v, True) for k, v in templates.items()))


def rename(**sources: str) -> LabelFormat:
    """`| label_format name=source`"""
    return LabelFormat(tuple(Assignment(k, v, False) for k, v in sources.items()))


JSON = JsonParser()
LOGFMT = LogfmtParser()
