"""The names under which loggers write what has a column of its own, in records of no known format.

Of several names in one record the first of its list is read; the others stay attributes. A nested
name is written with dots: {"log": {"level": "info"}} is "log.level".
"""

from __future__ import annotations

from functools import lru_cache

from tailrace.core.frame import CANONICAL, Hints

TIME = ("@timestamp", "timestamp", "time", "ts", "datetime", "date")
BODY = ("message", "msg", "body", "log", "event")
SEVERITY = (
    "log.level",
    "level",
    "severity",
    "severity_text",
    "levelname",
    "loglevel",
    "log_level",
    "lvl",
)
SERVICE = ("service.name", "service_name", "service")
HOST = ("host.name", "hostname", "host")
TRACE_ID = ("trace_id", "trace.id", "traceId", "traceid")
SPAN_ID = ("span_id", "span.id", "spanId", "spanid")


@lru_cache(maxsize=64)
def of(hints: Hints) -> dict[str, tuple[str, ...]]:
    """Names by field of foreign records: time, body, severity, service, host, trace_id, span_id.

    A name that a hint gives is the only one of its field, and of no other.
    """
    usual = {
        "time": TIME,
        "body": BODY,
        "severity": SEVERITY,
        "service": SERVICE,
        "host": HOST,
        "trace_id": TRACE_ID,
        "span_id": SPAN_ID,
    }
    given: dict[str, str] = {}
    for field in usual:
        name = getattr(hints, field, "")
        if name and name != getattr(CANONICAL, field) and name not in given.values():
            given[field] = name
    taken = set(given.values())
    return {
        field: (given[field],)
        if field in given
        else tuple(name for name in listed if name not in taken)
        for field, listed in usual.items()
    }
