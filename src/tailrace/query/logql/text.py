"""LogQL text of a tree."""

from __future__ import annotations

from tailrace.query.logql.ast import (
    Binary,
    LineFilter,
    LogQuery,
    Number,
    Query,
    RangeAggregation,
    Vector,
    VectorAggregation,
)
from tailrace.query.logql.duration import duration_text


def text(query: Query) -> str:
    """LogQL that parses back to `query`."""
    match query:
        case LogQuery():
            return _log_text(query)
        case RangeAggregation():
            offset = f" offset {duration_text(query.offset_ns)}" if query.offset_ns else ""
            inner = f"{_log_text(query.query)}[{duration_text(query.range_ns)}]{offset}"
            return f"{query.function}({inner})"
        case VectorAggregation():
            word = "without" if query.grouping.without else "by"
            labels = ", ".join(query.grouping.labels)
            return f"{query.function} {word} ({labels}) ({text(query.inner)})"
        case Number():
            return repr(query.value)
        case Vector():
            return f"vector({query.value!r})"
        case Binary():
            return f"({text(query.left)} {query.op} {text(query.right)})"
        case _:
            raise NotImplementedError(type(query).__name__)


def _log_text(query: LogQuery) -> str:
    matchers = ", ".join(f"{m.name}{m.op}{quote(m.value)}" for m in query.matchers)
    lines = [stage for stage in query.stages if isinstance(stage, LineFilter)]
    filters = "".join(f" {f.op} {quote(f.needles[0].value)}" for f in lines)
    return f"{{{matchers}}}{filters}"


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
