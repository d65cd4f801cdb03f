"""LogQL text of the stages of a pipeline."""

from __future__ import annotations

from collections.abc import Sequence

from tailrace.query.logql.ast import (
    AllOf,
    AnyOf,
    Chosen,
    Comparison,
    Condition,
    Decolorize,
    Drop,
    Extraction,
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
from tailrace.query.logql.duration import duration_text


def quote(value: str) -> str:
    """A double-quoted LogQL string."""
    out = []
    for char in value:
        if char in '"\\':
            out.append("\\" + char)
        elif char < " " or char == "\x7f":
            out.append(f"\\x{ord(char):02x}")
        else:
            out.append(char)
    return '"' + "".join(out) + '"'


def stage_text(stage: Stage) -> str:
    """One stage, with what it begins with."""
    match stage:
        case LineFilter():
            needles = (f"ip({quote(n.value)})" if n.ip else quote(n.value) for n in stage.needles)
            return f"{stage.op} {' or '.join(needles)}"
        case LabelFilter():
            return f"| {_condition(stage.condition)}"
        case JsonParser():
            return f"| json{_extractions(stage.extractions)}"
        case LogfmtParser():
            strict = " --strict" if stage.strict else ""
            empty = " --keep-empty" if stage.keep_empty else ""
            return f"| logfmt{strict}{empty}{_extractions(stage.extractions)}"
        case RegexpParser():
            return f"| regexp {quote(stage.pattern)}"
        case PatternParser():
            return f"| pattern {quote(stage.pattern)}"
        case Unpack():
            return "| unpack"
        case LineFormat():
            return f"| line_format {quote(stage.template)}"
        case LabelFormat():
            pairs = (
                f"{a.label}={quote(a.source) if a.is_template else a.source}"
                for a in stage.assignments
            )
            return f"| label_format {', '.join(pairs)}"
        case Decolorize():
            return "| decolorize"
        case Drop():
            return f"| drop {_chosen(stage.chosen)}"
        case Keep():
            return f"| keep {_chosen(stage.chosen)}"


def unwrap_text(unwrap: Unwrap) -> str:
    """`| unwrap` and the filters after it."""
    label = f"{unwrap.conversion}({unwrap.label})" if unwrap.conversion else unwrap.label
    return " ".join([f"| unwrap {label}", *map(stage_text, unwrap.filters)])


def _extractions(found: Sequence[Extraction]) -> str:
    parts = (
        one.label if one.label == one.path else f"{one.label}={quote(one.path)}" for one in found
    )
    return f" {', '.join(parts)}" if found else ""


def _chosen(found: Sequence[Chosen]) -> str:
    return ", ".join(f"{one.name}{one.op}{quote(one.value) if one.op else ''}" for one in found)


def _condition(condition: Condition) -> str:
    match condition:
        case Comparison():
            return f"{condition.name} {condition.op} {_value(condition)}"
        case AllOf():
            return f"{_condition(condition.left)} and {_right(condition.right)}"
        case AnyOf():
            return f"{_condition(condition.left)} or {_right(condition.right)}"


def _right(condition: Condition) -> str:
    """`and` and `or` bind alike, from the left."""
    shown = _condition(condition)
    return shown if isinstance(condition, Comparison) else f"({shown})"


def _value(comparison: Comparison) -> str:
    value = comparison.value
    if isinstance(value, str):
        return f"ip({quote(value)})" if comparison.kind == "ip" else quote(value)
    if comparison.kind == "duration":
        return duration_text(int(value))
    if comparison.kind == "bytes":
        return f"{int(value)}B"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 and value else repr(value)
