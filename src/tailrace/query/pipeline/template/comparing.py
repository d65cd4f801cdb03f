"""Functions that every template of Go has: comparing, looking into values, printing."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from tailrace.query.pipeline.template.function import Function
from tailrace.query.pipeline.template.printf import printf, sprint
from tailrace.query.pipeline.template.values import (
    TemplateError,
    Value,
    formatted,
    is_true,
    item,
    kind,
)

_BASIC = ("bool", "int", "float64", "string")


def _alike(a: Value, b: Value) -> str:
    """The kind of both. Raises TemplateError where they have not the same basic one."""
    first, second = kind(a), kind(b)
    if first not in _BASIC or second not in _BASIC:
        raise TemplateError(f"{first} and {second} cannot be compared")
    if first != second:
        raise TemplateError(f"{first} and {second} are incompatible types for comparison")
    return first


def _same(a: Value, b: Value) -> bool:
    if a is None or b is None:
        return a is b
    _alike(a, b)
    return bool(a == b)


def _order(test: Callable[[Any, Any], bool]) -> Callable[[Value, Value], bool]:
    def call(a: Value, b: Value) -> bool:
        if _alike(a, b) == "bool":
            raise TemplateError("bool has no order")
        return test(a, b)

    return call


def _equals_any(first: Value, second: Value, *others: Value) -> bool:
    return any([_same(first, other) for other in (second, *others)])


def _length(value: Value) -> int:
    if not isinstance(value, str | list | dict):
        raise TemplateError(f"len of {kind(value)}")
    return len(value)


def _index(value: Value, *keys: Value) -> Value:
    for key in keys:
        if isinstance(value, dict):
            if not isinstance(key, str):
                raise TemplateError(f"cannot index a map with {kind(key)}")
            value = item(value, key)
        elif isinstance(value, list | str):
            if type(key) is not int:
                raise TemplateError(f"cannot index {kind(value)} with {kind(key)}")
            if not 0 <= key < len(value):
                raise TemplateError(f"index {key} is out of range")
            value = ord(value[key]) if isinstance(value, str) else value[key]
        else:
            raise TemplateError(f"cannot index {kind(value)}")
    return value


def _slice(value: Value, *bounds: int) -> Value:
    if not isinstance(value, str | list) or len(bounds) > 2:
        raise TemplateError(f"cannot slice {kind(value)}")
    start = bounds[0] if bounds else 0
    end = bounds[1] if len(bounds) > 1 else len(value)
    if not 0 <= start <= end <= len(value):
        raise TemplateError(f"slice {start}:{end} is out of range")
    return value[start:end]


COMPARING: dict[str, Function] = {
    "eq": Function("aa", _equals_any, "a"),
    "ne": Function("aa", lambda a, b: not _same(a, b)),
    "lt": Function("aa", _order(operator.lt)),
    "le": Function("aa", _order(operator.le)),
    "gt": Function("aa", _order(operator.gt)),
    "ge": Function("aa", _order(operator.ge)),
    "not": Function("a", lambda value: not is_true(value)),
    "len": Function("a", _length),
    "index": Function("a", _index, "a"),
    "slice": Function("a", _slice, "i"),
    "print": Function("", lambda *values: sprint(values), "a"),
    "printf": Function("s", lambda text, *values: printf(text, values), "a"),
    "println": Function("", lambda *values: " ".join(map(formatted, values)) + "\n", "a"),
}
