"""A processor for structlog."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import MutableMapping
from datetime import datetime
from types import FrameType, TracebackType
from typing import Any, Unpack

from tailrace.logging.handler import exception
from tailrace.logging.sender import LOGGER, Options, Sender
from tailrace.logging.values import cut, cut_middle, plain

_TEMPLATE_CHARS = 1_000
# Names that structlog's own processors give, and ours for the same.
_RENAMED = {
    "pathname": "code.file.path",
    "lineno": "code.line.number",
    "func_name": "code.function.name",
    "thread_name": "thread.name",
    "process": "process.pid",
    "logger_name": "logger",
    "exception": "exception.stacktrace",
    "stack": "code.stacktrace",
}
_TAKEN = frozenset({"event", "level", "timestamp", "exc_info"})
_LEVELS = {"warn": "WARNING", "exception": "ERROR"}


class Processor:
    """Sends every event to a gateway, from a thread of its own.

    Place it last before the renderer, or last of all with `drop`: then it raises structlog's
    DropEvent. `options` are those of `Sender`; or give a `sender`, for example a Handler's. The
    event is handed on as it came. Raises ConfigError where it is made, nothing afterwards.
    """

    def __init__(
        self, sender: Sender | None = None, *, drop: bool = False, **options: Unpack[Options]
    ) -> None:
        if sender is not None and options:
            raise TypeError("give a sender, or the options to make one, not both")
        self.sender = sender or Sender(**options)
        self._drop: type[BaseException] | None = None
        if drop:
            from structlog import DropEvent

            self._drop = DropEvent

    def __call__(
        self, logger: Any, method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        if not self.sender.ignores():
            try:
                self.sender.put(self._line(method, event))
            except Exception:  # an event's own objects ran code
                self.sender.lose()
        if self._drop is not None:
            raise self._drop
        return event

    def _line(self, method: str, event: MutableMapping[str, Any]) -> bytes:
        message = event.get("event", "")
        attributes: dict[str, Any] = {
            "thread.name": threading.current_thread().name,
            "process.pid": os.getpid(),
        }
        if type(message) is str:
            attributes["log.template"] = cut(message, _TEMPLATE_CHARS)
        if "pathname" not in event:
            attributes |= _place()
        attributes |= _failure(event)
        own = {_RENAMED.get(k, k): v for k, v in event.items() if k not in _TAKEN}
        for name in ("exception.stacktrace", "code.stacktrace"):
            if isinstance(own.get(name), str):
                own[name] = cut_middle(own[name])
        at_ns = _time_ns(event.get("timestamp"))
        if at_ns is None and "timestamp" in event:
            own["timestamp"] = event["timestamp"]
        level = str(event.get("level") or method)
        return self.sender.records.line(
            time.time_ns() if at_ns is None else at_ns,
            _LEVELS.get(level.lower(), level.upper()),
            message if type(message) is str else str(plain(message)),
            attributes,
            own,
        )


def _time_ns(stamp: Any) -> int | None:
    """Of structlog's TimeStamper: seconds, or ISO 8601 text. None where it is neither."""
    try:
        if isinstance(stamp, str):
            stamp = datetime.fromisoformat(stamp).timestamp()
        return int(stamp * 1e9)
    except (ValueError, OverflowError, TypeError, OSError):
        return None


def _place() -> dict[str, Any]:
    """Where the application called structlog."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        if not name.startswith((LOGGER, "structlog.")):
            return {
                "code.file.path": frame.f_code.co_filename,
                "code.line.number": frame.f_lineno,
                "code.function.name": frame.f_code.co_name,
            }
        frame = frame.f_back
    return {}


def _failure(event: MutableMapping[str, Any]) -> dict[str, Any]:
    """`exc_info` is True, an exception, or what sys.exc_info() gives."""
    info = event.get("exc_info")
    error: Any = info
    trace: TracebackType | None = None
    if isinstance(info, tuple) and len(info) == 3:
        _, error, trace = info
    elif info and not isinstance(info, BaseException):
        error = sys.exc_info()[1]
    if not isinstance(error, BaseException):
        return {}
    return exception(error, trace or error.__traceback__)
