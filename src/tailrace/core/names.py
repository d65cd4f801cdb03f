"""The names under which loggers write what has a column of its own, in records of no known format.

Of several names in one record the first of its list is read; the others stay attributes. A nested
name is written with dots: {"log": {"level": "info"}} is "log.level".
"""

from __future__ import annotations

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
