"""Which labels anybody will look at, so that parsers need not make the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tailrace.query.logql.ast import (
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Drop,
    LabelFilter,
    LabelFormat,
    LineFormat,
    Stage,
)
from tailrace.query.pipeline.template.parser import fields


def needed(stages: Sequence[Stage], at_end: frozenset[str] | None) -> list[frozenset[str] | None]:
    """For each stage, the labels that it or a later one reads, or that are wanted `at_end`.

    None: all of them.
    """
    wanted = at_end
    found: list[frozenset[str] | None] = []
    for stage in reversed(stages):
        read = _read(stage)
        wanted = None if wanted is None or read is None else wanted | read
        found.append(wanted)
    return found[::-1]


def _read(stage: Stage) -> frozenset[str] | None:
    match stage:
        case LabelFilter():
            return frozenset(names(stage.condition))
        case Drop():
            return frozenset(one.name for one in stage.chosen)
        case LineFormat():
            return fields(stage.template, stage.position)
        case LabelFormat():
            read: frozenset[str] = frozenset()
            for one in stage.assignments:
                more = (
                    fields(one.source, stage.position)
                    if one.is_template
                    else frozenset({one.source, one.label})
                )
                if more is None:
                    return None
                read |= more | {one.label}
            return read
        case _:
            return frozenset()


def names(condition: Condition) -> Iterator[str]:
    """The labels that a condition reads."""
    waiting: list[Condition] = [condition]
    while waiting:
        one = waiting.pop()
        if isinstance(one, AllOf | AnyOf):
            waiting += (one.left, one.right)
        else:
            assert isinstance(one, Comparison)
            yield one.name
