"""Trees to SQL. Every value of the query is a parameter; every statement names one tenant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tailrace.core.bounds import UNBOUND, Bounds
from tailrace.core.limits import QUERY_CELLS
from tailrace.query.binder import Binder
from tailrace.query.labels import LEVEL_NAMES, expression
from tailrace.query.logql.ast import LogQuery, RangeAggregation
from tailrace.query.selection import conditions

TABLE = "logs"
STREAM_COLUMNS = "ServiceName, HostName, SeverityNumber, ResourceAttributes"
ROW_COLUMNS = (
    "toUnixTimestamp64Nano(Timestamp), toValidUTF8(Body), "
    f"{STREAM_COLUMNS}, TraceId, SpanId, LogAttributes"
)


@dataclass(frozen=True)
class Statement:
    """SQL and its parameters; `settings` of the engine, constants of the code, and bounds of its
    own besides those of the tenant."""

    sql: str
    parameters: dict[str, object] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)
    bounds: Bounds = UNBOUND


@dataclass(frozen=True)
class Scope:
    """Whose rows, and which raw resource attribute keys they have."""

    tenant: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Grid:
    """Evaluation times `start_ns + i * step_ns` for i in 0..steps-1."""

    start_ns: int
    step_ns: int
    steps: int

    @property
    def last_ns(self) -> int:
        return self.start_ns + (self.steps - 1) * self.step_ns


@dataclass(frozen=True)
class Window:
    """A range split into `whole` steps and a `rest` shorter than a step.

    Rows are summed in cells `(t - step, t]`, numbered from 1 + the first cell that any window
    touches. The window ending at step i is then the rest of cell i and all of cells
    i+1 .. i+whole: windows slide exactly, whatever the range.
    """

    whole: int
    rest_ns: int
    origin_ns: int
    low_ns: int
    high_ns: int

    @classmethod
    def of(cls, aggregation: RangeAggregation, grid: Grid) -> Window:
        """`low_ns` (exclusive) and `high_ns` (inclusive) bound the rows that any window needs."""
        whole, rest = divmod(aggregation.range_ns, grid.step_ns)
        first = grid.start_ns - aggregation.offset_ns
        return cls(
            whole=whole,
            rest_ns=rest,
            origin_ns=first - (whole + 1) * grid.step_ns,
            low_ns=first - aggregation.range_ns,
            high_ns=grid.last_ns - aggregation.offset_ns,
        )


def log_rows(
    query: LogQuery, scope: Scope, start_ns: int, end_ns: int, limit: int, forward: bool
) -> Statement:
    """Rows of ROW_COLUMNS in `[start_ns, end_ns)`, ordered by time; of one time, as they came."""
    bind = Binder()
    where = conditions(query, scope.tenant, scope.keys, bind)
    where.append(f"Timestamp >= {moment(start_ns, bind)}")
    where.append(f"Timestamp < {moment(end_ns, bind)}")
    way = "ASC" if forward else "DESC"
    sql = (
        f"SELECT {ROW_COLUMNS} FROM {TABLE} WHERE {' AND '.join(where)} "
        f"ORDER BY Timestamp {way}, _part_offset {way} LIMIT {int(limit)}"
    )
    return Statement(sql, bind.values)


def cells(
    aggregation: RangeAggregation, scope: Scope, grid: Grid, labels: Sequence[str] | None
) -> Statement:
    """Rows `(keys..., cell, whole, rest)`.

    The keys are one column per label, or STREAM_COLUMNS when `labels` is None. Levels are grouped
    by number, which is cheaper than by word: the reader merges them.
    """
    bind = Binder()
    window = Window.of(aggregation, grid)
    where = conditions(aggregation.query, scope.tenant, scope.keys, bind)
    where.append(f"Timestamp > {moment(window.low_ns, bind)}")
    where.append(f"Timestamp <= {moment(window.high_ns, bind)}")
    keys = STREAM_COLUMNS if labels is None else ", ".join(_key(x, scope, bind) for x in labels)
    step = bind.integer(grid.step_ns)
    since = f"(toUnixTimestamp64Nano(Timestamp) - {bind.integer(window.origin_ns + 1)})"
    weight = "Weight * length(Body)" if "bytes" in aggregation.function else "Weight"
    rest = "0"
    if window.rest_ns:
        rest = f"sumIf({weight}, {since} % {step} >= {bind.integer(grid.step_ns - window.rest_ns)})"
    columns = f"{keys}, " if keys else ""
    count = len(STREAM_COLUMNS.split(",")) if labels is None else len(labels)
    groups = ", ".join(str(n + 1) for n in range(count + 1))
    sql = (
        f"SELECT {columns}toUInt32(intDiv({since}, {step})) AS cell, sum({weight}), {rest} "
        f"FROM {TABLE} WHERE {' AND '.join(where)} "
        f"GROUP BY {groups} LIMIT {QUERY_CELLS + 1}"
    )
    return Statement(sql, bind.values)


def streams(query: LogQuery, scope: Scope, start_ns: int, end_ns: int, limit: int) -> Statement:
    """Distinct STREAM_COLUMNS of the rows in `[start_ns, end_ns]`."""
    bind = Binder()
    return _distinct(STREAM_COLUMNS, query, scope, (start_ns, end_ns), limit, bind)


def label_values(
    label: str, query: LogQuery, scope: Scope, start_ns: int, end_ns: int, limit: int
) -> Statement:
    """Distinct values of one label of the rows in `[start_ns, end_ns]`; may hold ''."""
    bind = Binder()
    value = expression(label, scope.keys, bind)
    return _distinct(value, query, scope, (start_ns, end_ns), limit, bind)


def attribute_keys(tenant: str, start_ns: int, end_ns: int, limit: int) -> Statement:
    """Distinct raw keys of resource attributes."""
    bind = Binder()
    keys = "arrayJoin(mapKeys(ResourceAttributes))"
    times = (start_ns, end_ns)
    return _distinct(keys, LogQuery(()), Scope(tenant), times, limit, bind)


def _distinct(
    columns: str, query: LogQuery, scope: Scope, times: tuple[int, int], limit: int, bind: Binder
) -> Statement:
    where = conditions(query, scope.tenant, scope.keys, bind)
    where.append(f"Timestamp >= {moment(times[0], bind)}")
    where.append(f"Timestamp <= {moment(times[1], bind)}")
    sql = f"SELECT DISTINCT {columns} FROM {TABLE} WHERE {' AND '.join(where)} LIMIT {int(limit)}"
    return Statement(sql, bind.values)


def moment(nanoseconds: int, bind: Binder) -> str:
    """A DateTime64(9); before 1970 becomes 1970, since nothing is older."""
    return f"fromUnixTimestamp64Nano({bind.integer(max(nanoseconds, 0))})"


def _key(label: str, scope: Scope, bind: Binder) -> str:
    return "SeverityNumber" if label in LEVEL_NAMES else expression(label, scope.keys, bind)
