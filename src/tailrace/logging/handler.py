"""A handler for the standard library's logging."""

from __future__ import annotations

import logging
import traceback
from types import TracebackType
from typing import Any, Unpack

from tailrace.logging import sender as sending
from tailrace.logging.sender import FLUSH_S, Options, Sender
from tailrace.logging.values import cut, cut_middle, plain

# OpenTelemetry's instrumentation of logging puts these on each record.
_OTEL_TRACE, _OTEL_SPAN = "otelTraceID", "otelSpanID"
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message", "asctime", "taskName",
    _OTEL_TRACE, _OTEL_SPAN, "otelServiceName", "otelTraceSampled",
}  # fmt: skip
_TEMPLATE_CHARS = 1_000


class Handler(logging.Handler):
    """Sends every record to a gateway, from a thread of its own.

    `options` are those of `Sender`; or give a `sender` that others use too, which `close` then
    only flushes. Fields of `extra` become attributes. A formatter has no say: the message, the
    place and the exception travel apart. Raises ConfigError; `emit` raises nothing and waits for
    nothing but `block_s`.
    """

    def __init__(
        self, sender: Sender | None = None, *, level: int | str = 0, **options: Unpack[Options]
    ) -> None:
        if sender is not None and options:
            raise TypeError("give a sender, or the options to make one, not both")
        self.sender = sender or Sender(**options)
        self._owned = sender is None
        super().__init__(level)

    def createLock(self) -> None:  # noqa: N802 - logging's name
        """None: a lock would make a flush at exit and the sending thread wait for each other."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """As logging's, without a lock, and deaf to what sending itself logs."""
        if self.sender.ignores() or record.name == sending.LOGGER:
            return False
        found: bool | logging.LogRecord = self.filter(record)
        if found:
            self.emit(record if found is True else found)
        return bool(found)

    def emit(self, record: logging.LogRecord) -> None:
        """Queue one record."""
        try:
            self.sender.put(self._line(record))
        except Exception:  # a record's own objects ran code
            self.sender.lose()

    def _line(self, record: logging.LogRecord) -> bytes:
        attributes: dict[str, Any] = {
            "logger": record.name,
            "code.file.path": record.pathname,
            "code.line.number": record.lineno,
            "code.function.name": record.funcName,
            "thread.name": record.threadName,
            "process.pid": record.process,
        }
        if type(record.msg) is str:
            attributes["log.template"] = cut(record.msg, _TEMPLATE_CHARS)
        if record.exc_info or record.exc_text or record.stack_info:
            attributes.update(_failure(record))
        fields = record.__dict__
        own: dict[str, Any] = {}
        if not _STANDARD.issuperset(fields):
            own = {k: v for k, v in fields.items() if k not in _STANDARD}
        if _OTEL_TRACE in fields and "trace_id" not in own:
            own |= _instrumented(fields)
        return self.sender.records.line(
            _time_ns(record), record.levelname, _message(record), attributes, own
        )

    def flush(self, timeout_s: float = FLUSH_S) -> bool:  # type: ignore[override]
        """Wait until all before is stored. False when that took longer than `timeout_s`."""
        return self.sender.flush(timeout_s)

    def close(self) -> None:
        """Flush; logging calls this at exit and before another configuration."""
        if self._owned:
            self.sender.close()
        else:
            self.sender.flush()
        if sending.exiting():
            self.sender.report_end()
        super().close()

    @property
    def dropped(self) -> int:
        """Records of this process that were lost, for want of room or refused by the gateway."""
        return self.sender.dropped


def _time_ns(record: logging.LogRecord) -> int | None:
    try:
        return int(record.created * 1e9)
    except (ValueError, OverflowError, TypeError):
        return None


def _message(record: logging.LogRecord) -> str:
    """What was meant, also where template and arguments do not fit."""
    try:
        return record.getMessage()
    except Exception:
        return f"{plain(record.msg)} (arguments do not fit: {plain(record.args)})"


def _instrumented(fields: dict[str, Any]) -> dict[str, Any]:
    """The ids that the instrumentation found where the record was made; "0" where none."""
    ids = {"trace_id": fields[_OTEL_TRACE], "span_id": fields.get(_OTEL_SPAN, "")}
    return ids if ids["trace_id"] not in ("0", "", None) else {}


def _failure(record: logging.LogRecord) -> dict[str, Any]:
    found: dict[str, Any] = {}
    info = record.exc_info
    if isinstance(info, tuple) and len(info) == 3 and isinstance(info[1], BaseException):
        found |= exception(info[1], info[2])
    elif isinstance(record.exc_text, str):  # a record that came from another process
        found["exception.stacktrace"] = cut_middle(record.exc_text)
    if isinstance(record.stack_info, str):
        found["code.stacktrace"] = cut_middle(record.stack_info)
    return found


def exception(error: BaseException, trace: TracebackType | None) -> dict[str, Any]:
    """An exception as attributes, under OpenTelemetry's names."""
    kind = type(error)
    try:
        message = str(error)
    except Exception:
        message = "<a message that cannot be read>"
    try:
        stack = "".join(traceback.format_exception(kind, error, trace)).rstrip("\n")
    except Exception:
        stack = "<a traceback that cannot be read>"
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return {
        "exception.type": f"{module}{kind.__qualname__}",
        "exception.message": cut(message),
        "exception.stacktrace": cut_middle(stack),
    }
