"""What a record is told of where it was made: bound fields, context variables, the trace."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

_bound: ContextVar[Mapping[str, Any]] = ContextVar("tailrace.bound", default={})  # noqa: B039
_INVALID = ("", "")


@contextmanager
def bound(**fields: Any) -> Iterator[None]:
    """Every record made within has these attributes; inner ones win.

    Follows tasks and `contextvars.copy_context()`; a new thread starts without.
    """
    token = _bound.set({**_bound.get(), **fields})
    try:
        yield
    finally:
        with suppress(ValueError):  # ends in another context than it began, which had none of it
            _bound.reset(token)


def fields() -> Mapping[str, Any]:
    """What is bound here."""
    return _bound.get()


def trace() -> tuple[str, str]:
    """Trace and span id of OpenTelemetry's current span, in hex; "" where there is none.

    OpenTelemetry is asked only where the application imported it.
    """
    api = sys.modules.get("opentelemetry.trace")
    if api is None:
        return _INVALID
    try:
        span = api.get_current_span().get_span_context()
        if span.is_valid:
            return f"{span.trace_id:032x}", f"{span.span_id:016x}"
    except Exception:  # noqa: S110 - a foreign span, or a module half imported
        pass
    return _INVALID
