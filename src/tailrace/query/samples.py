"""Queries of metrics: which series, by their labels, then their samples on a grid of times.

The first statement reads `series` alone; labels are handled here, in one place. The second reads
`samples` by fingerprint, and the engine does all that is done with numbers.

Stored names may hold dots and anything else. In a query a name matches as it is stored, or with
every character outside [a-zA-Z0-9_:] (in labels [a-zA-Z0-9_]) as "_".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tailrace.core import limits
from tailrace.core.errors import QueryError
from tailrace.query import regexes
from tailrace.query.binder import Binder
from tailrace.query.labels import Labels, sanitise
from tailrace.query.logql.ast import Matcher
from tailrace.query.needle import label_regex
from tailrace.query.plan import Grid, Statement
from tailrace.query.promql import NAME, Query
from tailrace.query.service import QueryService

MS = 1_000_000
# The bits of the NaN by which Prometheus says that a series has ended.
_STALE = "9218868437227405314"
_GRIDS = {"": "Last", "rate": "Rate", "increase": "Increase"}
_UNSAFE = re.compile(r"[^a-zA-Z0-9_:]")
Span = tuple[int, int]
# Of each series its values at the steps, None where there is none.
Series = dict[Labels, list[float | None]]


@dataclass(frozen=True)
class Found:
    """One series as it is stored."""

    fingerprint: int
    name: str
    labels: Mapping[str, str]

    def value(self, label: str) -> str:
        """The value of a label of a query, "" without it."""
        if label == NAME:
            return self.name
        if label in self.labels:
            return self.labels[label]
        return next((self.labels[k] for k in sorted(self.labels) if sanitise(k) == label), "")

    def spelled(self, stored: bool, named: bool = True) -> Labels:
        """All labels, as they are `stored` or with "_"; with the name when `named`."""
        own = {NAME: self.name if stored else safe_name(self.name)} if named else {}
        # Of two labels that read the same, the one that is stored so stands first.
        for key in sorted(self.labels, key=lambda key: (key != sanitise(key), key)):
            own.setdefault(key if stored else sanitise(key), self.labels[key])
        return tuple(sorted(own.items()))


def safe_name(name: str) -> str:
    """The name of a metric for clients that know no dots."""
    name = _UNSAFE.sub("_", name)
    return f"_{name}" if not name or name[0].isdigit() else name


class Samples:
    """What the Prometheus routes ask. Raises what `QueryService` raises, within its limits."""

    def __init__(self, service: QueryService) -> None:
        self.service = service

    async def evaluate(self, query: Query, tenant: str, on: Grid) -> Series:
        """The value of each series at every step of `on`, None where there is none."""
        async with self.service.slot("samples"):
            most = limits.QUERY_SERIES_SUMMED if query.aggregation else limits.QUERY_SERIES
            span = (on.start_ns - query.range_ms * MS, on.last_ns)
            found = await self.select(query, tenant, span, most)
            groups = _grouped(query, found)
            _check_size(query, len(found), len(groups), on.steps)
            if not found:
                return {}
            names = list(groups)
            rows = await self.service.run(_grids(query, tenant, on, list(groups.values())))
        present = [(place, values) for place, values in rows if any(v is not None for v in values)]
        return {names[place]: values for place, values in present}

    async def series(
        self, selectors: Sequence[Query], tenant: str, span: Span | None
    ) -> list[Labels]:
        """Label sets of the series that any of `selectors` selects, seen within the hours of
        `span`."""
        unique: set[Labels] = set()
        async with self.service.slot("series"):
            for query in selectors:
                found = await self.select(query, tenant, span, limits.QUERY_SERIES_SUMMED)
                unique |= {one.spelled(query.quoted) for one in found}
        return sorted(unique)

    async def label_names(self, tenant: str, span: Span | None) -> list[str]:
        """Sorted names of labels, in the spelling with "_"."""
        bind = Binder()
        where = " AND ".join(_seen(tenant, span, bind))
        sql = f"SELECT DISTINCT arrayJoin(mapKeys(Labels)) FROM series WHERE {where}"
        async with self.service.slot("labels"):
            rows = await self._within(sql, bind, "labels")
        return sorted({NAME, *(sanitise(row[0]) for row in rows)}) if rows else []

    async def label_values(self, label: str, tenant: str, span: Span | None) -> list[str]:
        """Sorted values of a label."""
        bind = Binder()
        value = _value(label, bind)
        where = " AND ".join(_seen(tenant, span, bind))
        sql = f"SELECT DISTINCT {value} FROM series WHERE {where}"
        async with self.service.slot("labels"):
            rows = await self._within(sql, bind, "values of the label")
        values = {str(row[0]) for row in rows if row[0]}
        return sorted(set(map(safe_name, values)) if label == NAME else values)

    async def metadata(self, tenant: str, metric: str) -> dict[str, tuple[str, str]]:
        """Kind and unit by stored name; of `metric` only, unless it is ""."""
        bind = Binder()
        where = _seen(tenant, None, bind)
        if metric:
            where.append(_condition(Matcher(NAME, "=", metric), bind))
        sql = (
            "SELECT MetricName, anyLast(Kind), anyLast(Unit) FROM series "
            f"WHERE {' AND '.join(where)} GROUP BY MetricName ORDER BY MetricName"
        )
        async with self.service.slot("metadata"):
            rows = await self._within(sql, bind, "metrics")
        return {str(name): (str(kind), str(unit)) for name, kind, unit in rows}

    async def _within(self, sql: str, bind: Binder, what: str) -> list[tuple[Any, ...]]:
        """Rows of a statement. Raises QueryError when they are more than an answer may hold."""
        most = limits.QUERY_SERIES_SUMMED
        rows = await self.service.run(Statement(f"{sql} LIMIT {most + 1}", bind.values))
        if len(rows) > most:
            raise QueryError(f"there are more than {most} {what} (QUERY_SERIES_SUMMED)")
        return rows

    async def select(self, query: Query, tenant: str, span: Span | None, most: int) -> list[Found]:
        """The series that the query's matchers select, seen within the hours of `span`; needs a
        slot. Raises QueryError when they are more than `most`."""
        if await regexes.match_empty(query.matchers, self.service.engine):
            raise QueryError(
                "the selector needs a name or a matcher that cannot match an empty value",
                query.matchers[0].position,
            )
        rows = await self.service.run(_selected(query.matchers, tenant, span, most + 1))
        if len(rows) > most:
            raise QueryError(
                f"more than {most} series match; narrow the selector"
                + ("" if query.aggregation else " or aggregate them")
            )
        return [Found(int(number), str(name), labels) for number, name, labels in rows]


def _grouped(query: Query, found: Sequence[Found]) -> dict[Labels, list[Found]]:
    """Series by the labels that stand for them in the answer."""
    groups: dict[Labels, list[Found]] = {}
    for one in found:
        if query.aggregation:
            pairs = ((label, one.value(label)) for label in query.by)
            labels = tuple(sorted((k, _shown(query, k, v)) for k, v in pairs if v))
        else:
            labels = one.spelled(query.quoted, named=not query.function)
        groups.setdefault(labels, []).append(one)
        if not query.aggregation and len(groups[labels]) > 1:
            raise QueryError(
                f"two series have the same labels {dict(labels)} in the answer; select one metric, "
                "or put its name in quotes"
            )
    return groups


def _shown(query: Query, label: str, value: str) -> str:
    return safe_name(value) if label == NAME and not query.quoted else value


def _check_size(query: Query, series: int, groups: int, steps: int) -> None:
    if groups > limits.QUERY_SERIES:
        raise QueryError(f"the answer has more than {limits.QUERY_SERIES} series (QUERY_SERIES)")
    for cells, most, name in (
        (groups * steps, limits.QUERY_CELLS, "QUERY_CELLS"),
        (series * steps, limits.QUERY_CELLS_SUMMED, "QUERY_CELLS_SUMMED"),
    ):
        if cells > most:
            raise QueryError(
                f"{series} series at {steps} steps are more than {most} cells ({name}); "
                "use a longer step or fewer series"
            )


def _selected(matchers: Sequence[Matcher], tenant: str, span: Span | None, most: int) -> Statement:
    """Rows `(fingerprint, name, labels)`."""
    bind = Binder()
    where = _seen(tenant, span, bind) + [_condition(matcher, bind) for matcher in matchers]
    sql = (
        "SELECT Fingerprint, any(MetricName), any(Labels) FROM series "
        f"WHERE {' AND '.join(where)} GROUP BY Fingerprint LIMIT {most}"
    )
    return Statement(sql, bind.values)


def _seen(tenant: str, span: Span | None, bind: Binder) -> list[str]:
    """Conditions for the series of a tenant with samples in the hours of `span`."""
    where = [f"Tenant = {bind.text(tenant)}"]
    if span:
        where.append(f"FirstSeen <= {_moment(span[1], bind)}")
        where.append(f"LastSeen >= {_moment(span[0], bind)} - toIntervalHour(1)")
    return where


def _condition(matcher: Matcher, bind: Binder) -> str:
    equal = matcher.op in ("=", "!=")
    value = bind.text(matcher.value if equal else label_regex(matcher.value))
    spellings = [_value(matcher.name, bind)]
    if matcher.name == NAME:
        spellings.append(_safe("MetricName", ":"))
    tests = [f"{name} = {value}" if equal else f"match({name}, {value})" for name in spellings]
    found = f"({' OR '.join(tests)})"
    return found if matcher.op in ("=", "=~") else f"NOT {found}"


def _value(label: str, bind: Binder) -> str:
    """SQL for the value of a label, '' without it."""
    if label == NAME:
        return "MetricName"
    name = bind.text(label)
    other = f"arrayFirst(k -> {_safe('k')} = {name}, mapKeys(Labels))"
    return f"if(mapContains(Labels, {name}), Labels[{name}], Labels[{other}])"


def _safe(expression: str, also: str = "") -> str:
    """As `labels.sanitise`."""
    plain = f"replaceRegexpAll({expression}, '[^a-zA-Z0-9_{also}]', '_')"
    return f"replaceRegexpAll({plain}, '^([0-9])', '_\\\\1')"


def _grids(query: Query, tenant: str, on: Grid, groups: Sequence[Sequence[Found]]) -> Statement:
    """Rows `(index of the group, values)`."""
    bind = Binder()
    members = [one for group in groups for one in group]
    known = bind.numbers([one.fingerprint for one in members])
    places = bind.numbers([place for place, group in enumerate(groups) for _ in group])
    times = f"{_moment(on.start_ns, bind)}, {_moment(on.last_ns, bind)}"
    spans = f"{_seconds(on.step_ns, bind)}, {_seconds(query.range_ms * MS, bind)}"
    where = [
        f"Tenant = {bind.text(tenant)}",
        f"MetricName IN {bind.texts(sorted({one.name for one in members}))}",
        f"Fingerprint IN {known}",
        f"Timestamp > {_moment(on.start_ns - query.range_ms * MS, bind)}",
        f"Timestamp <= {_moment(on.last_ns, bind)}",
    ]
    values = f"arrayMap(v -> if(reinterpretAsUInt64(assumeNotNull(v)) = {_STALE}, NULL, v), grid)"
    if query.function:
        where.append(f"reinterpretAsUInt64(Value) != {_STALE}")
        values = "grid"
    inner = (
        f"SELECT transform(Fingerprint, {known}, {places}, toUInt64(0)) AS place, "
        f"timeSeries{_GRIDS[query.function]}ToGrid({times}, {spans})(Timestamp, Value) AS grid "
        f"FROM samples WHERE {' AND '.join(where)} GROUP BY Fingerprint"
    )
    settings = "SETTINGS enable_time_series_aggregate_functions=1"
    if not query.aggregation:
        return Statement(f"SELECT place, {values} FROM ({inner}) {settings}", bind.values)
    fold = "countOrNull" if query.aggregation == "count" else query.aggregation
    folded = f"SELECT place, {fold}ForEach({values}) FROM ({inner}) GROUP BY place {settings}"
    return Statement(folded, bind.values)


def _moment(nanoseconds: int, bind: Binder) -> str:
    return f"fromUnixTimestamp64Milli({bind.integer(max(nanoseconds, 0) // MS)}, 'UTC')"


def _seconds(nanoseconds: int, bind: Binder) -> str:
    return bind.decimal(f"{nanoseconds // 10**9}.{nanoseconds // MS % 1000:03d}")
