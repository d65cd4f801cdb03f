"""What the engine stopped, in words for whoever asked: which limit it was and what to do."""

from __future__ import annotations

from tailrace.core import limits
from tailrace.core.bounds import UNBOUND, Bounds
from tailrace.core.errors import Busy, QueryError, StoreError
from tailrace.query import engine
from tailrace.query.bounds.allowance import Allowance

NARROW = "narrow the time range or the selector"


def too_long(timeout_s: float) -> TimeoutError:
    """A query that was stopped because its time was over."""
    return TimeoutError(
        f"the query took longer than {timeout_s:g} s (query.timeout) and was stopped; {NARROW}"
    )


def explained(error: StoreError, allowed: Allowance, own: Bounds = UNBOUND) -> Exception:
    """The error to raise instead of `error`; `error` itself where no limit of the tenant's was
    passed, but perhaps one of the statement's `own`, where that is tighter."""
    match error.code:
        case engine.TOO_MANY_ROWS if _tighter(own.read_rows, allowed.read_rows):
            return error
        case engine.TOO_MANY_BYTES if _tighter(own.read_bytes, allowed.read_bytes):
            return error
        case engine.NO_MEMORY if "Query memory" in str(error) and _tighter(
            own.memory_bytes, allowed.bounds.memory_bytes
        ):
            return error
        case engine.TIMED_OUT:
            return too_long(allowed.timeout_s)
        case engine.TOO_MANY_ROWS:
            message = f"the query reads more than {allowed.read_rows:,} rows (query.read_rows)"
        case engine.TOO_MANY_BYTES:
            message = f"the query reads more than {size(allowed.read_bytes)} (query.read_bytes)"
        case engine.NO_MEMORY if "Query memory" in str(error):
            most = size(limits.QUERY_MEMORY_BYTES)
            message = f"the query needs more than {most} of memory (QUERY_MEMORY_BYTES)"
        case engine.NO_MEMORY:
            return Busy("the engine has no memory for the query at the moment", 5.0)
        case _:
            return error
    return QueryError(f"{message}; {NARROW}")


def _tighter(own: int, tenants: int) -> bool:
    return 0 < own < (tenants or own + 1)


def too_large(error: StoreError) -> Exception:
    """As `explained`, of a result that passed a bound."""
    if error.code != engine.TOO_LARGE:
        return error
    most = size(limits.QUERY_RESULT_BYTES)
    return QueryError(
        f"the result is larger than {most} (QUERY_RESULT_BYTES), which this format holds whole; "
        "ask for fewer rows, or for a format that is streamed"
    )


def size(count: float) -> str:
    """Bytes for people: three digits and a unit."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1024
    return f"{count:,.3g} TiB" if count < 1000 else f"{count:,.0f} TiB"
