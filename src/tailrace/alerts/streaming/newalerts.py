"""What is told of new errors: an alert for each, or one for many. Pure.

A service that logs many new errors at once is told of as one that does, and so is a tenant with
many such services; those alerts count what came while they fire.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import quote_plus

from tailrace.alerts.builtin.names import NEW_ERROR_PATTERN
from tailrace.alerts.evaluation.state import Held
from tailrace.alerts.streaming.novelty import New
from tailrace.core import limits
from tailrace.core.alerting import Alert, Labels
from tailrace.core.errors import QueryError
from tailrace.query.logql.parser import parse_log
from tailrace.query.logql.stagetext import quote
from tailrace.query.patterns.shapes import ANY
from tailrace.query.pipeline.pattern import tester

SEVERITY = ("severity", "warning")
_LEVELS = 'level=~"error|fatal"'
_PATTERN = "pattern"
# A hole that was cut, or stands before what is cut.
_CUT_HOLE = re.compile(r"(?:<_>|<_?)\Z")


def held(new: Sequence[New], firing: Mapping[Labels, Alert], url: str = "") -> list[Held]:
    """The alerts that `new` makes beside those that fire; `url` is where people find the server."""
    services: dict[str, list[New]] = defaultdict(list)
    for one in sorted(new, key=lambda one: (one.service, -one.lines.number, one.statement)):
        services[one.service].append(one)
    found = [
        said for service, its in services.items() for said in _of_service(service, its, firing, url)
    ]
    return _bounded(found, firing, url)


def _of_service(
    service: str, new: Sequence[New], firing: Mapping[Labels, Alert], url: str
) -> list[Held]:
    """An alert for each while there are few."""
    apart: dict[Labels, Held] = {}
    for one in new:
        said = _of_statement(one, url)
        # Alike where they are cut.
        before = apart.get(said.labels)
        apart[said.labels] = said._replace(value=before.value + said.value) if before else said
    there = {labels for labels in firing if _is_apart(labels, service)}
    if len(there | apart.keys()) <= limits.NEW_PATTERNS_OF_SERVICE:
        return list(apart.values())
    return [_of_many(_labels(service), service or "a service", len(new), firing, url)]


def _bounded(found: list[Held], firing: Mapping[Labels, Alert], url: str) -> list[Held]:
    """Of a tenant so many fire, and one for all that is beyond."""
    room = max(0, limits.NEW_PATTERN_ALERTS - len(firing))
    kept: list[Held] = []
    beyond = 0
    for one in found:
        if one.labels in firing:
            kept.append(one)
        elif room > 0:
            kept.append(one)
            room -= 1
        else:
            beyond += 1 if _PATTERN in dict(one.labels) else int(one.value)
    if beyond:
        kept.append(_of_many(_labels(), "many services", beyond, firing, url))
    return kept


def _is_apart(labels: Labels, service: str) -> bool:
    """Whether it is of one statement of the service."""
    named = dict(labels)
    return _PATTERN in named and named.get("service_name", "") == service


def _of_statement(one: New, url: str) -> Held:
    text = shown(one.statement)
    lines, first = one.lines.number, datetime.fromtimestamp(one.lines.first_ns // 10**9, UTC)
    annotations = {
        "summary": f"{one.service or 'a service'} logs an error that it never logged before: "
        f"{text}",
        "lines": str(lines),
        "first": first.strftime("%Y-%m-%dT%H:%M:%SZ"),
        **_where(_query(one.service, text), url),
    }
    return Held(_labels(one.service, text), tuple(sorted(annotations.items())), float(lines))


def _of_many(labels: Labels, who: str, more: int, firing: Mapping[Labels, Alert], url: str) -> Held:
    """`more` kinds of errors beside those that the alert told of before."""
    before = firing.get(labels)
    kinds = more + int(before.value if before else 0)
    verb = "log" if who == "many services" else "logs"
    query = _query(dict(labels).get("service_name", ""))
    annotations = {
        "summary": f"{who} {verb} {kinds} kinds of errors that were never logged there before",
        "kinds": str(kinds),
        **_where(query, url),
    }
    return Held(labels, tuple(sorted(annotations.items())), float(kinds))


def _labels(service: str = "", pattern: str = "") -> Labels:
    named = {"service_name": service, _PATTERN: pattern}
    pairs = [("alertname", NEW_ERROR_PATTERN), SEVERITY, *((k, v) for k, v in named.items() if v)]
    return tuple(sorted(pairs))


def shown(statement: str) -> str:
    """At most NEW_PATTERN_CHARS of it, as a pattern that the same lines follow."""
    if len(statement) <= limits.NEW_PATTERN_CHARS:
        return statement or ANY
    return _CUT_HOLE.sub("", statement[: limits.NEW_PATTERN_CHARS - len(ANY)]) + ANY


def _query(service: str, pattern: str = "") -> str:
    """LogQL that shows the lines; all errors of the service where a pattern cannot."""
    selector = f"service_name={quote(service)}, {_LEVELS}" if service else _LEVELS
    query = f"{{{selector}}}"
    if not pattern:
        return query
    filtered = f"{query} |> {quote(pattern)}"
    try:
        tester(pattern, 0)
        parse_log(filtered)
    except QueryError:
        return query
    return filtered


def _where(query: str, url: str) -> dict[str, str]:
    page = {"link": f"{url.rstrip('/')}/?q={quote_plus(query)}&range=1h"} if url else {}
    return {"query": query, **page}
