"""The range of time that a command asks about."""

from __future__ import annotations

import argparse
import time

from tailrace.core.errors import ConfigError, QueryError
from tailrace.query.times import parse_span, parse_time


def range_ns(arguments: argparse.Namespace, until: str = "--until") -> tuple[int, int]:
    """`[start, end)` in UTC nanoseconds, of `--since`, `--start` and `until`. Raises
    ConfigError."""
    start = getattr(arguments, "start", None)
    try:
        end_ns = parse_time(arguments.until, until) if arguments.until else time.time_ns()
        start_ns = end_ns - parse_span(arguments.since, "--since")
        start_ns = max(parse_time(start, "--start") if start else start_ns, 0)
    except QueryError as error:
        raise ConfigError(str(error)) from None
    if start_ns >= end_ns:
        raise ConfigError(f"--start {start} is not before {until} {arguments.until or 'now'}")
    return start_ns, end_ns


def span_ns(text: str, name: str) -> int:
    """Nanoseconds of a duration that stands at the option `name`. Raises ConfigError."""
    try:
        return parse_span(text, name)
    except QueryError as error:
        raise ConfigError(str(error)) from None
