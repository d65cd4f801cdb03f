"""The views that SQL sees, and what each of them is for one tenant and one range of time.

A view reads with an explicit PREWHERE. The engine may otherwise evaluate a condition of the user
on a row before it looks whose row that is, and an error or a division by zero would then tell of
another tenant's rows. What stands in PREWHERE is decided first, and only rows that pass are read
further; indexes are used for the user's conditions all the same.

For the same reason times and durations are wrapped in a function that indexes do not see through:
an index is looked at by evaluating the user's condition at the least and largest values of all
tenants' rows.

Files of the archive are of one tenant, so there all of that is not needed, but the times.

Inner names begin with `__`, which a user's name may not, so that no alias of the statement can
take the place of a column in here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tailrace.core.frame import Signal
from tailrace.query.binder import Binder
from tailrace.query.plan import moment
from tailrace.query.sources import Source
from tailrace.query.times import HOUR_NS

DATABASE = "default"


@dataclass(frozen=True)
class Column:
    """Name, the engine's type, and what it holds."""

    name: str
    kind: str
    about: str


@dataclass(frozen=True)
class Extent:
    """Whose rows, `[start_ns, end_ns)`, and where they are. `now_ns`: the time that `now()` tells;
    None is the present."""

    tenant: str
    start_ns: int
    end_ns: int
    # Of each table that is not read from the hot store alone.
    sources: Mapping[str, Source] = field(default_factory=dict)
    now_ns: int | None = None


_TIME = "DateTime64(9, 'UTC')"
_MS = "DateTime64(3, 'UTC')"
_WORD = "LowCardinality(String)"
_MAP = "Map(LowCardinality(String), String)"
_ROW = (
    Column("Timestamp", _TIME, "when it happened; `start` and `end` bound it"),
    Column("IngestTime", _TIME, "when it was received"),
    Column("ServiceName", _WORD, "`service.name`"),
    Column("HostName", _WORD, "`host.name`"),
    Column("TraceId", "String", "32 hexadecimal digits, or empty"),
    Column("SpanId", "String", "16 hexadecimal digits, or empty"),
    Column("ResourceAttributes", _MAP, "what the source says of itself"),
    Column("Weight", "UInt32", "how many rows this one stands for; `sum(Weight)` counts"),
)
_LOGS = (
    Column("Body", "String", "the line"),
    Column("SeverityText", _WORD, "the level as it was written"),
    Column("SeverityNumber", "UInt8", "OpenTelemetry's number: 9 info, 13 warn, 17 error"),
    Column("TraceFlags", "UInt8", "W3C trace flags"),
    Column("LogAttributes", _MAP, "attributes of this record"),
)
_SPANS = (
    Column("ParentSpanId", "String", "empty for the root of a trace"),
    Column("TraceState", "String", "W3C trace state"),
    Column("SpanName", _WORD, "the operation"),
    Column("SpanKind", _WORD, "`Server`, `Client`, `Internal`, `Producer` or `Consumer`"),
    Column("Duration", "UInt64", "nanoseconds"),
    Column("StatusCode", _WORD, "`Ok`, `Error` or `Unset`"),
    Column("StatusMessage", "String", "what went wrong"),
    Column("ScopeName", _WORD, "the instrumentation"),
    Column("ScopeVersion", _WORD, "its version"),
    Column("SpanAttributes", _MAP, "attributes of this span"),
    Column("Events.Timestamp", f"Array({_TIME})", "when each event happened"),
    Column("Events.Name", f"Array({_WORD})", "the events"),
    Column("Events.Attributes", f"Array({_MAP})", "attributes of each event"),
    Column("Links.TraceId", "Array(String)", "traces that it links to"),
    Column("Links.SpanId", "Array(String)", "spans that it links to"),
    Column("Links.TraceState", "Array(String)", "trace state of each link"),
    Column("Links.Attributes", f"Array({_MAP})", "attributes of each link"),
)
_NAME = Column("MetricName", _WORD, "such as `system.cpu.time`")
_LABELS = Column("Labels", "Map(String, String)", "the labels of the series, without the name")
_ABOUT = (
    Column("Kind", "String", "`gauge`, `counter`, `histogram` and so on"),
    Column("Unit", "String", "such as `s` or `By`"),
)
_SAMPLES = (
    _NAME,
    Column("Timestamp", _MS, "when it was measured; `start` and `end` bound it"),
    Column("Value", "Float64", "the sample"),
    _LABELS,
    *_ABOUT,
)
_SERIES = (
    _NAME,
    _LABELS,
    *_ABOUT,
    Column("FirstSeen", _MS, "start of the first hour with a sample"),
    Column("LastSeen", _MS, "start of the last hour with a sample; at or after `start`"),
)
_EXEMPLARS = (
    _NAME,
    Column("Timestamp", _TIME, "when it was measured; `start` and `end` bound it"),
    Column("Value", "Float64", "the measurement"),
    Column("TraceId", "String", "the trace it was measured in"),
    Column("SpanId", "String", "the span it was measured in"),
    Column("Attributes", _MAP, "what else is known of it"),
    _LABELS,
)
VIEWS: dict[str, tuple[Column, ...]] = {
    "logs": (*_ROW, *_LOGS),
    "spans": (*_ROW, *_SPANS),
    "metrics": _SAMPLES,
    "series": _SERIES,
    "exemplars": _EXEMPLARS,
}
# Of all views; a nested one is known by its parts, too.
COLUMN_NAMES = frozenset(
    word
    for columns in VIEWS.values()
    for one in columns
    for word in (one.name, *one.name.split("."))
)
# Tables that a checked statement may name, for the second look at it.
TABLES = frozenset(
    f"{DATABASE}.{table}" for table in ("logs", "spans", "samples", "series", "exemplars")
)
# Views of rows that the archive has, too.
ARCHIVED = {"logs": Signal.LOGS, "spans": Signal.SPANS, "metrics": Signal.METRICS}
# In the sorting key, the partitions, or an index of least and largest values, and of types whose
# functions the engine evaluates there. Names of services and metrics are in the key, too, but no
# function of a text is one of those.
_INDEXED = frozenset(("Timestamp", "IngestTime", "Duration"))
# The columns that cost a look at the series, by view.
_OF_SERIES = {"metrics": ("Labels", "Kind", "Unit"), "exemplars": ("Labels",)}


def of_series(view: str) -> frozenset[str]:
    """Columns of `view` that it takes from the series."""
    return frozenset(_OF_SERIES.get(view, ()))


def subquery(view: str, extent: Extent, bind: Binder, with_series: bool = True) -> str:
    """What stands for `view`, in parentheses. `with_series` False leaves out `of_series`."""
    if view in ("logs", "spans"):
        names = [one.name for one in VIEWS[view]]
        return f"(SELECT {_listed(VIEWS[view])} {_read(view, names, extent, bind)})"
    if view == "series":
        return _series(extent, bind)
    return _measured(view, extent, bind, with_series)


def _listed(columns: tuple[Column, ...], table: str = "__v") -> str:
    return ", ".join(f'{_value(table, one.name)} AS "{one.name}"' for one in columns)


def _value(table: str, name: str) -> str:
    column = f'{table}."{name}"'
    return f"identity({column})" if table == "__v" and name in _INDEXED else column


def _read(table: str, names: Sequence[str], extent: Extent, bind: Binder) -> str:
    """FROM and what bounds it; `names` are the columns that are read."""
    source = extent.sources.get(table)
    if source is None:
        return _hot(table, extent, extent.start_ns, bind)
    listed = ", ".join(f'__v."{name}" AS "{name}"' for name in names)
    parts = []
    if source.hot_ns is not None:
        start_ns = max(source.hot_ns, extent.start_ns)
        hot = _hot(table, extent, start_ns, bind)
        hot += f" AND ({source.hot_where})" if source.hot_where else ""
        parts.append(f"SELECT {listed} {hot}")
    if source.archived:
        # Files are of one tenant, so there is nothing that a condition could tell of another.
        parts.append(f"SELECT {listed} FROM ({source.archived}) AS __v")
    return f"FROM ({' UNION ALL '.join(parts)}) AS __v WHERE {_within(extent, bind)}"


def _hot(table: str, extent: Extent, start_ns: int, bind: Binder) -> str:
    within = _within(replace(extent, start_ns=start_ns), bind)
    tenant = bind.text(extent.tenant)
    return f"FROM {DATABASE}.{table} AS __v PREWHERE __v.Tenant = {tenant} AND {within}"


def _within(extent: Extent, bind: Binder) -> str:
    return (
        f"__v.Timestamp >= {moment(extent.start_ns, bind)} "
        f"AND __v.Timestamp < {moment(extent.end_ns, bind)}"
    )


def _seen(extent: Extent, bind: Binder) -> str:
    """The series of the range, one row each: the parts of the table are merged here."""
    return (
        "SELECT __v.MetricName AS __name, __v.Fingerprint AS __fingerprint, "
        "any(__v.Labels) AS __labels, anyLast(__v.Kind) AS __kind, anyLast(__v.Unit) AS __unit, "
        "min(__v.FirstSeen) AS __first, max(__v.LastSeen) AS __last "
        f"FROM {DATABASE}.series AS __v PREWHERE __v.Tenant = {bind.text(extent.tenant)} "
        "GROUP BY __name, __fingerprint "
        f"HAVING __last >= {moment(extent.start_ns - HOUR_NS, bind)}"
    )


def _series(extent: Extent, bind: Binder) -> str:
    first, last = (f"CAST(__s.{name} AS {_MS})" for name in ("__first", "__last"))
    # Without the aggregate function that is a part of the type of these two.
    return (
        '(SELECT __s.__name AS "MetricName", __s.__labels AS "Labels", __s.__kind AS "Kind", '
        f'__s.__unit AS "Unit", {first} AS "FirstSeen", {last} AS "LastSeen" '
        f"FROM ({_seen(extent, bind)}) AS __s "
        f"WHERE __s.__first < {moment(extent.end_ns, bind)})"
    )


def _measured(view: str, extent: Extent, bind: Binder, with_series: bool) -> str:
    """Samples or exemplars, each with what its series is called."""
    table = "samples" if view == "metrics" else view
    skipped = of_series(view)
    own = tuple(one for one in VIEWS[view] if one.name not in skipped)
    read = _read(table, [*(one.name for one in own), "Fingerprint"], extent, bind)
    if not with_series:
        return f"(SELECT {_listed(own)} {read})"
    sources = {"Labels": "__labels", "Kind": "__kind", "Unit": "__unit"}
    others = ", ".join(f'__s.{sources[name]} AS "{name}"' for name in _OF_SERIES[view])
    rows = f"SELECT {_listed(own)}, __v.Fingerprint AS __of {read}"
    return (
        f"(SELECT {_listed(own, '__m')}, {others} FROM ({rows}) AS __m "
        f"ANY LEFT JOIN ({_seen(extent, bind)}) AS __s "
        "ON __m.__of = __s.__fingerprint AND __m.MetricName = __s.__name)"
    )
