"""Regexes of users, run with RE2: time is linear in the text, whatever the pattern."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tailrace.core.limits import PIPELINE_CACHED_VALUES
from tailrace.query import expressions
from tailrace.query.needle import label_regex
from tailrace.query.pipeline.step import refuse


def compiled(pattern: str, position: int) -> Any:
    """A regex over bytes of UTF-8. Raises QueryError."""
    try:
        return expressions.compiled(pattern.encode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise refuse(f"{pattern!r} is not valid RE2: {error}", position) from None


def encoded(text: str) -> bytes:
    """UTF-8; what has no form in it becomes `?`."""
    return text.encode("utf-8", "replace")


def searcher(pattern: str, position: int) -> Callable[[str], bool]:
    """Whether the pattern is found anywhere. Raises QueryError."""
    search = compiled(pattern, position).search
    return lambda text: search(text.encode("utf-8", "replace")) is not None


def value_matcher(pattern: str, position: int) -> Callable[[str], bool]:
    """Whether the whole value of a label matches; verdicts are kept, since values repeat.

    Raises QueryError.
    """
    search = compiled(label_regex(pattern), position).search
    known: dict[str, bool] = {}

    def matches(value: str) -> bool:
        verdict = known.get(value)
        if verdict is None:
            if len(known) >= PIPELINE_CACHED_VALUES:
                known.clear()
            verdict = search(value.encode("utf-8", "replace")) is not None
            if len(value) < 256:
                known[value] = verdict
        return verdict

    return matches


def value_test(op: str, value: str, position: int) -> Callable[[str], bool]:
    """The test that `= != =~ !~` make of a label's value. Raises QueryError."""
    match op:
        case "=":
            return lambda found: found == value
        case "!=":
            return lambda found: found != value
        case "=~":
            return value_matcher(value, position)
        case "!~":
            matches = value_matcher(value, position)
            return lambda found: not matches(found)
    raise refuse(f"{op!r} does not compare text", position)
