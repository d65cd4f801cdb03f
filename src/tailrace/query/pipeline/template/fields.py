"""Fields and methods of values: `.a.b`, `(toTime 5).Format "15:04"`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tailrace.query.pipeline.labels import LabelSet
from tailrace.query.pipeline.template.function import Function
from tailrace.query.pipeline.template.values import Record, TemplateError, Time, Value, item, kind


def plain(value: Value) -> Value:
    """Labels of a row as a dict; all else as it is."""
    return value.merged() if isinstance(value, LabelSet) else value


def field(value: Value, name: str, methods: Mapping[str, Function]) -> Value:
    """`.name` of a value. Raises TemplateError."""
    if isinstance(value, dict):
        return item(value, name)
    if isinstance(value, Record) and name in value.fields:
        return value.fields[name]
    if isinstance(value, Time) and name in methods:
        return called(value, name, (), methods)
    raise TemplateError(f"{kind(value)} has no field {name}")


def called(
    value: Value, name: str, arguments: Sequence[Value], methods: Mapping[str, Function]
) -> Value:
    """What the method of a time gives. Raises TemplateError."""
    method = methods.get(name)
    if method is None or not isinstance(value, Time):
        raise TemplateError(f"{kind(value)} has no method {name}")
    if not method.accepts(len(arguments) + 1):
        wanted = len(method.kinds) - 1
        raise TemplateError(f"{name} takes {wanted} arguments, not {len(arguments)}")
    return method(name, [value, *arguments])
