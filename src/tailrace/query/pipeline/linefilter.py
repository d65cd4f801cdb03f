"""Filters on the line: text, regex, pattern and address."""

from __future__ import annotations

from collections.abc import Callable

from tailrace.query.logql.ast import LineFilter, Needle
from tailrace.query.pipeline import addresses, pattern
from tailrace.query.pipeline.regex import searcher
from tailrace.query.pipeline.step import LineTest, refuse


def line_test(stage: LineFilter) -> LineTest:
    """Whether a line passes `stage`. Raises QueryError."""
    tests = [_needle(stage, needle) for needle in stage.needles]
    if stage.op in ("|=", "|~", "|>"):
        return tests[0] if len(tests) == 1 else _any(tests)
    if len(tests) == 1:
        only = tests[0]
        return lambda line: not only(line)
    found = _any(tests)
    return lambda line: not found(line)


def _any(tests: list[LineTest]) -> LineTest:
    def found(line: str) -> bool:
        return any(test(line) for test in tests)

    return found


def _needle(stage: LineFilter, needle: Needle) -> Callable[[str], bool]:
    value = needle.value
    if needle.ip:
        if stage.op not in ("|=", "!="):
            raise refuse("ip() goes with |= and != alone", stage.position)
        return addresses.finder(value, stage.position)
    match stage.op:
        case "|=" | "!=":
            return lambda line: value in line
        case "|~" | "!~":
            return searcher(value, stage.position)
        case "|>" | "!>":
            return pattern.tester(value, stage.position)
    raise refuse(f"{stage.op!r} is no filter of lines", stage.position)
