"""tailrace's own logs: one JSON object a line on standard error or a file.

They can never loop back: every line carries "tailrace":true, the agent never tails the file they
go to, and writing a log line touches no sink. Messages hold no row data and no secrets.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import IO, Any

import msgspec

_RESERVED = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "severity": record.levelname,
            "body": record.getMessage(),
            "logger": record.name,
            "tailrace": True,
        }
        event.update((k, v) for k, v in record.__dict__.items() if k not in _RESERVED)
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(event, enc_hook=str).decode()


def configure(level: str = "INFO", stream: IO[str] | None = None) -> None:
    """Send every logger of the process to `stream` (standard error by default) as JSON lines."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def get(room: str) -> logging.Logger:
    """The logger of a room, for example `get("queue")`."""
    return logging.getLogger(f"tailrace.{room}")
