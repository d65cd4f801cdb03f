"""The stages drop, keep and decolorize."""

from __future__ import annotations

import re
from collections.abc import Callable

from tailrace.query.logql.ast import Chosen, Drop, Keep
from tailrace.query.pipeline.labels import LabelSet
from tailrace.query.pipeline.regex import value_test
from tailrace.query.pipeline.step import Step

# Control sequences (colors, cursor), strings such as titles and links, and other escapes of two.
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*+[ -/]*+[@-~]|\][^\x07\x1b]*+(?:\x07|\x1b\\)|[PX^_][^\x1b]*+\x1b\\|[@-Z\\-_])"
    r"|\x9b[0-?]*+[ -/]*+[@-~]"
)


def drop_step(stage: Drop) -> Step:
    """`| drop a, b="c"`. Raises QueryError."""
    tests = [(one.name, _test(one)) for one in stage.chosen]

    def step(line: str, labels: LabelSet, _time_ns: int) -> str:
        for name, test in tests:
            value = labels.find(name)
            if value is not None and test(value):
                labels.remove(name)
        return line

    return step


def keep_step(stage: Keep) -> Step:
    """`| keep a, b="c"`; errors are always kept. Raises QueryError."""
    tests: dict[str, list[Callable[[str], bool]]] = {}
    for one in stage.chosen:
        tests.setdefault(one.name, []).append(_test(one))

    def step(line: str, labels: LabelSet, _time_ns: int) -> str:
        for name in labels.names():
            wanted = tests.get(name)
            if wanted is None or not any(test(labels.get(name)) for test in wanted):
                labels.remove(name)
        return line

    return step


def decolorize(line: str, _labels: LabelSet, _time_ns: int) -> str:
    """`| decolorize`: without the escape sequences of terminals."""
    return _ESCAPES.sub("", line) if "\x1b" in line or "\x9b" in line else line


def _test(chosen: Chosen) -> Callable[[str], bool]:
    if not chosen.op:
        return lambda _value: True
    return value_test(chosen.op, chosen.value, chosen.position)
