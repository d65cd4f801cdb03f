"""What errors a tenant's services logged lately: statements with their lines, by service.

Two statements: the services that sent lines, with when the first one was taken in; then, where
there are errors, their shapes. Rows are chosen by when they were taken in, so that none falls
between two looks, and read from the hot table, where all of them are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tailrace.core.frame import Signal
from tailrace.core.limits import (
    ERROR_PATTERNS,
    ERROR_PATTERNS_OF_SERVICE,
    ERROR_PATTERNS_SEEN,
    ERROR_SERVICES_SEEN,
    NEW_PATTERN_LATE_S,
    PATTERN_ROWS,
    PATTERN_SHAPES_COUNTED,
)
from tailrace.query.binder import Binder
from tailrace.query.bounds.question import Question, asking
from tailrace.query.patterns.shapes import SHAPE_SQL, finished
from tailrace.query.patterns.statements import statement
from tailrace.query.plan import Statement, moment, of_tenant
from tailrace.query.service import QueryService
from tailrace.query.times import HOUR_NS
from tailrace.store.schema import HOT_TABLES

# OpenTelemetry's numbers of error and fatal, see labels.LEVEL_SQL.
_ERROR = "SeverityNumber BETWEEN 17 AND 24"
_TABLE = HOT_TABLES[Signal.LOGS]
# A sender's clock may be ahead.
_AHEAD_NS = HOUR_NS
_LATE_NS = int(NEW_PATTERN_LATE_S * 1e9)


@dataclass
class Lines:
    """`number` of lines of one statement; `first_ns` is the event time of the first of them."""

    number: int
    first_ns: int


@dataclass(frozen=True)
class Errors:
    """`services`: when the first line of each was taken in, UTC nanoseconds. `found`: by service
    and statement. Both within the limits, those with most errors first."""

    services: Mapping[str, int]
    found: Mapping[tuple[str, str], Lines] = field(default_factory=dict)


def joined(parts: Sequence[Errors]) -> Errors:
    """Those of several times; of too many statements those with most lines."""
    services: dict[str, int] = {}
    found: dict[tuple[str, str], Lines] = {}
    for part in parts:
        for name, first_ns in part.services.items():
            services[name] = min(first_ns, services.get(name, first_ns))
        for key, lines in part.found.items():
            one = found.setdefault(key, Lines(0, lines.first_ns))
            one.number += lines.number
            one.first_ns = min(one.first_ns, lines.first_ns)
    most = sorted(found.items(), key=lambda item: -item[1].number)
    return Errors(services, dict(most[:ERROR_PATTERNS]))


async def errors(service: QueryService, tenant: str, since_ns: int, until_ns: int) -> Errors:
    """Of rows that were taken in from `since_ns` to before `until_ns`, with times of at most a day
    before that. Of more than PATTERN_ROWS errors one of every so many is looked at.

    Raises QueryError, Busy, StoreError, TimeoutError.
    """
    with asking(Question(tenant, "new patterns of errors")):
        async with service.slot("patterns"):
            rows = await service.run(_services(tenant, since_ns, until_ns))
            services = {name: first_ns for name, first_ns, _ in rows}
            number = sum(row[2] for row in rows)
            if not number:
                return Errors(services)
            every = -(-number // PATTERN_ROWS)
            shapes = await service.run(_shapes(tenant, since_ns, until_ns, every))
    return Errors(services, await asyncio.to_thread(_merged, shapes, every))


def _services(tenant: str, since_ns: int, until_ns: int) -> Statement:
    """Rows `(service, when its first row was taken in, errors)`."""
    bind = Binder()
    sql = (
        "SELECT toValidUTF8(ServiceName) AS Service, "
        f"toUnixTimestamp64Nano(min(IngestTime)), countIf({_ERROR}) AS Errors "
        f"FROM {_TABLE} WHERE {_taken_in(tenant, since_ns, until_ns, bind)} GROUP BY Service "
        f"ORDER BY Errors DESC, Service LIMIT {ERROR_SERVICES_SEEN}"
    )
    return Statement(sql, bind.values)


def _shapes(tenant: str, since_ns: int, until_ns: int, every: int) -> Statement:
    """Rows `(service, shape, lines, the event time of the first one)`."""
    bind = Binder()
    where = f"{_taken_in(tenant, since_ns, until_ns, bind)} AND {_ERROR}"
    if every > 1:
        where += f" AND _part_offset % {int(every)} = 0"
    sql = (
        "SELECT toValidUTF8(ServiceName), toValidUTF8(Shape), Lines, First FROM ("
        f"SELECT ServiceName, {SHAPE_SQL} AS Shape, sum(Weight) AS Lines, "
        f"toUnixTimestamp64Nano(min(Timestamp)) AS First FROM {_TABLE} "
        f"WHERE {where} GROUP BY ServiceName, Shape) "
        f"ORDER BY Lines DESC, Shape LIMIT {ERROR_PATTERNS_OF_SERVICE} BY ServiceName "
        f"LIMIT {ERROR_PATTERNS_SEEN} "
        f"SETTINGS max_rows_to_group_by={PATTERN_SHAPES_COUNTED}, group_by_overflow_mode='any'"
    )
    return Statement(sql, bind.values)


def _taken_in(tenant: str, since_ns: int, until_ns: int, bind: Binder) -> str:
    """The times of rows keep the engine from whole days of them."""
    span = (since_ns - _LATE_NS, until_ns + _AHEAD_NS)
    since, until = moment(since_ns, bind), moment(until_ns, bind)
    return f"{of_tenant(tenant, span, bind)} AND IngestTime >= {since} AND IngestTime < {until}"


def _merged(shapes: list[tuple[Any, ...]], every: int) -> dict[tuple[str, str], Lines]:
    found: dict[tuple[str, str], Lines] = {}
    for service, shape, number, first_ns in shapes:
        said = statement(finished(shape))
        one = found.setdefault((service, said), Lines(0, first_ns))
        one.number += int(number) * every
        one.first_ns = min(one.first_ns, first_ns)
    return found
