"""`/loki/api/v1/patterns`, in the shape that Grafana expects.

    {"status": "success", "data": [{"pattern": "Found child <_>", "level": "info",
     "samples": [[unix_seconds, lines], ...]}, ...], "other": [[unix_seconds, lines], ...],
     "every": 1}

`other` and `every` are ours: lines of what is left out, and one row of how many was looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.routing import BaseRoute

from tailrace.core.errors import QueryError
from tailrace.core.limits import PATTERN_STEPS
from tailrace.query.asked import Asked, Identify, credential_tenant
from tailrace.query.endpoint import plain, routes_of
from tailrace.query.logql.ast import LogQuery
from tailrace.query.logql.lexer import place
from tailrace.query.logql.parser import parse_log
from tailrace.query.logs.filters import is_exact
from tailrace.query.logs.logs import Logs
from tailrace.query.logs.pushdown import conditions
from tailrace.query.patterns.templates import Steps, Templates, templates
from tailrace.query.times import SECOND_NS, default_step, parse_span


def routes(logs: Logs, identify: Identify = credential_tenant) -> list[BaseRoute]:
    """The route. `identify` gives the tenant of a request."""
    service = logs.service

    async def patterns(asked: Asked) -> object:
        query = _lines_only(asked.need("query"))
        start, end = asked.range()
        steps = Steps(start, end, _step(asked, start, end))
        async with service.slot("patterns"):
            scope = await logs.scope(asked.tenant, start, end)
            return await templates(
                service.run,
                lambda bind: conditions(query, scope.tenant, scope.keys, bind),
                steps,
                table=scope.table,
            )

    return routes_of("/loki/api/v1", {"patterns": patterns}, service, identify, plain, encode)


def _step(asked: Asked, start_ns: int, end_ns: int) -> int:
    """What is asked for in whole seconds, since times are given in seconds; a multiple of it where
    the range holds more than PATTERN_STEPS."""
    if not asked.get("step"):
        return default_step(start_ns, end_ns)
    whole = -(-parse_span(asked.get("step"), "step") // SECOND_NS) * SECOND_NS
    return whole * -(-(end_ns - start_ns) // (whole * (PATTERN_STEPS - 2)) or 1)


def _lines_only(source: str) -> LogQuery:
    query = parse_log(source)
    for stage in query.stages:
        if not is_exact(stage):
            raise QueryError(
                "patterns are of a selector and line filters (|= != |~ !~) alone, found another "
                "stage at "
                f"{place(source, stage.position)}",
                stage.position,
            )
    return query


def encode(data: object) -> bytes:
    """The envelope of the answer."""
    assert isinstance(data, Templates)
    found: list[dict[str, Any]] = [
        {"pattern": one.text, "level": one.level, "samples": _samples(one.lines)}
        for one in data.found
    ]
    return msgspec.json.encode(
        {"status": "success", "data": found, "other": _samples(data.other), "every": data.every}
    )


def _samples(lines: Mapping[int, int]) -> list[tuple[int, int]]:
    return [(time_ns // SECOND_NS, count) for time_ns, count in sorted(lines.items())]
