"""The tree of a LogQL query.

`position` (0-based character in the source) never takes part in equality, so that
`parse(text(tree)) == tree`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from tailrace.query.matrix.grouping import EQUAL_LABELS, Grouping, Matching


@dataclass(frozen=True)
class Matcher:
    """`name op value` in a stream selector; `op` is one of = != =~ !~."""

    name: str
    op: str
    value: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Needle:
    """What a line filter looks for; `ip`: an address, range or prefix, written `ip("...")`."""

    value: str
    ip: bool = False


@dataclass(frozen=True)
class LineFilter:
    """`op needle or needle ...` on the line; `op` is one of |= != |~ !~ |> !>.

    A positive one passes lines that any needle is found in, a negative one those that none is.
    """

    op: str
    needles: tuple[Needle, ...]
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Extraction:
    """`label="path"` of a parser: only this part of the line becomes a label."""

    label: str
    path: str


@dataclass(frozen=True)
class JsonParser:
    """`| json`, with expressions only these labels."""

    extractions: tuple[Extraction, ...] = ()
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class LogfmtParser:
    """`| logfmt [--strict] [--keep-empty]`, with expressions only these labels."""

    strict: bool = False
    keep_empty: bool = False
    extractions: tuple[Extraction, ...] = ()
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class RegexpParser:
    """`| regexp "..."`: named groups become labels."""

    pattern: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class PatternParser:
    """`| pattern "<ip> - <_> ..."`: named captures become labels."""

    pattern: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Unpack:
    """`| unpack`: a JSON object of strings, whose `_entry` is the line."""

    position: int = field(default=0, compare=False)


ValueKind: TypeAlias = Literal["string", "number", "duration", "bytes", "ip"]


@dataclass(frozen=True)
class Comparison:
    """`name op value` of a label filter.

    `kind` tells what `value` is: text for string (op = != =~ !~) and ip (op = !=); a float for
    number, nanoseconds for duration, bytes for bytes (op == != > >= < <=; `=` is read as `==`).
    """

    name: str
    op: str
    value: str | float
    kind: ValueKind
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class AllOf:
    """`left and right`, which a comma and a space mean, too."""

    left: Condition
    right: Condition


@dataclass(frozen=True)
class AnyOf:
    """`left or right`."""

    left: Condition
    right: Condition


Condition: TypeAlias = Comparison | AllOf | AnyOf


@dataclass(frozen=True)
class LabelFilter:
    """`| condition`."""

    condition: Condition
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class LineFormat:
    """`| line_format "{{.label}}"`."""

    template: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Assignment:
    """`label=other` (a renaming), or `label="template"`."""

    label: str
    source: str
    is_template: bool


@dataclass(frozen=True)
class LabelFormat:
    """`| label_format a=b, c="{{.d}}"`."""

    assignments: tuple[Assignment, ...]
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Decolorize:
    """`| decolorize`."""

    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Chosen:
    """A label of drop or keep; with `op` (= != =~ !~) only where its value matches."""

    name: str
    op: str = ""
    value: str = ""
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Drop:
    """`| drop a, b="c"`."""

    chosen: tuple[Chosen, ...]
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Keep:
    """`| keep a, b="c"`."""

    chosen: tuple[Chosen, ...]
    position: int = field(default=0, compare=False)


Parser: TypeAlias = JsonParser | LogfmtParser | RegexpParser | PatternParser | Unpack
Stage: TypeAlias = (
    LineFilter | Parser | LabelFilter | LineFormat | LabelFormat | Decolorize | Drop | Keep
)


@dataclass(frozen=True)
class LogQuery:
    """A stream selector and the stages of its pipeline, in order."""

    matchers: tuple[Matcher, ...]
    stages: tuple[Stage, ...] = ()


Conversion: TypeAlias = Literal["", "bytes", "duration", "duration_seconds"]


@dataclass(frozen=True)
class Unwrap:
    """`| unwrap label` or `| unwrap bytes(label)`, and the label filters after it."""

    label: str
    conversion: Conversion = ""
    filters: tuple[LabelFilter, ...] = ()
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class RangeAggregation:
    """`function(parameter, query unwrap [range] offset offset) grouping`; nanoseconds."""

    function: str
    query: LogQuery
    range_ns: int
    offset_ns: int = 0
    unwrap: Unwrap | None = None
    parameter: float | None = None
    grouping: Grouping | None = None
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class VectorAggregation:
    """`function grouping (parameter, inner)`; sort and sort_desc, too."""

    function: str
    grouping: Grouping
    inner: Metric
    parameter: float | None = None
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class LabelReplace:
    """`label_replace(inner, "destination", "replacement", "source", "pattern")`."""

    inner: Metric
    destination: str
    replacement: str
    source: str
    pattern: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Weekly:
    """`function(inner, weeks)`: of the same time in the weeks before, see weekly.py."""

    function: str
    inner: Metric
    weeks: int
    position: int = field(default=0, compare=False)


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
    """`left op matching right`; `op` is one of + - * / % ^ == != > >= < <= and or unless."""

    op: str
    left: Metric
    right: Metric
    matching: Matching = EQUAL_LABELS
    returns_bool: bool = False
    position: int = field(default=0, compare=False)


Metric: TypeAlias = (
    RangeAggregation | VectorAggregation | LabelReplace | Weekly | Number | Vector | Binary
)
Query: TypeAlias = LogQuery | Metric
