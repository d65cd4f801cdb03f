"""The tree of a LogQL query, and its text.

`position` (0-based character in the source) never takes part in equality, so that
`parse(text(tree)) == tree`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from tailrace.query.logql.duration import duration_text


@dataclass(frozen=True)
class Matcher:
    """`name op value` in a stream selector; `op` is one of = != =~ !~."""

    name: str
    op: str
    value: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class LineFilter:
    """`op value` on the line; `op` is one of |= != |~ !~."""

    op: str
    value: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class LogQuery:
    """A stream selector and its line filters, in order."""

    matchers: tuple[Matcher, ...]
    filters: tuple[LineFilter, ...] = ()


@dataclass(frozen=True)
class RangeAggregation:
    """`function(query[range] offset offset)`; nanoseconds."""

    function: str
    query: LogQuery
    range_ns: int
    offset_ns: int = 0


@dataclass(frozen=True)
class Grouping:
    """`by` or `without` and its labels."""

    without: bool
    labels: tuple[str, ...]


@dataclass(frozen=True)
class VectorAggregation:
    """`function grouping (inner)`."""

    function: str
    grouping: Grouping
    inner: Metric


@dataclass(frozen=True)
class Number:
    """A scalar."""

    value: float


@dataclass(frozen=True)
class Vector:
    """`vector(value)`: one series without labels."""

    value: float


@dataclass(frozen=True)
class Binary:
    """`left op right`; `op` is one of + - * /."""

    op: str
    left: Metric
    right: Metric
    position: int = field(default=0, compare=False)


Metric: TypeAlias = RangeAggregation | VectorAggregation | Number | Vector | Binary
Query: TypeAlias = LogQuery | Metric


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


def _log_text(query: LogQuery) -> str:
    matchers = ", ".join(f"{m.name}{m.op}{quote(m.value)}" for m in query.matchers)
    filters = "".join(f" {f.op} {quote(f.value)}" for f in query.filters)
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
