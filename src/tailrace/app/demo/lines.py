"""demo-shop's events as lines of text files."""

from __future__ import annotations

from datetime import UTC, datetime

from tailrace.app.demo import vocabulary as words
from tailrace.app.demo.shop import Access, Message, SlowQuery
from tailrace.query.times import rfc3339

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def access_line(time_ns: int, seen: Access) -> str:
    """Combined log format."""
    when = datetime.fromtimestamp(time_ns // 1_000_000_000, UTC)
    day = f"{when:%d}/{_MONTHS[when.month - 1]}/{when:%Y:%H:%M:%S} +0000"
    return (
        f'{seen.address} - - [{day}] "{seen.method} {seen.path} HTTP/1.1" {seen.status} '
        f'{seen.size} "https://{words.DOMAIN}/" "{seen.agent}"\n'
    )


def message_line(time_ns: int, said: Message) -> str:
    """`TIME LEVEL SERVICE [trace=ID] MESSAGE`; a stack follows on lines of its own."""
    trace = f" [trace={said.trace_id}]" if said.trace_id else ""
    return f"{rfc3339(time_ns)} {said.severity} {said.service}{trace} {said.body}\n"


def slow_line(time_ns: int, slow: SlowQuery) -> str:
    """`TIME WARN HOST duration=MS rows=N [trace=ID] STATEMENT`."""
    trace = f" [trace={slow.trace_id}]" if slow.trace_id else ""
    return (
        f"{rfc3339(time_ns)} WARN {slow.host} duration={slow.duration_ms}ms rows={slow.rows}"
        f"{trace} {slow.statement}\n"
    )
