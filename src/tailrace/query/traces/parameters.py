"""What a client of Jaeger's API asks, in the units in which it asks: microseconds since 1970 in a
search, milliseconds for dependencies, durations such as `1.5ms`.
"""

from __future__ import annotations

import re

from tailrace.core.errors import QueryError
from tailrace.core.limits import SEARCH_TRACES
from tailrace.query.asked import Asked, whole
from tailrace.query.logql.duration import LONGEST_NS, parse_duration
from tailrace.query.times import HOUR_NS, LAST_NS
from tailrace.query.traces import tags
from tailrace.query.traces.search import Search
from tailrace.query.traces.stored import Span

_US, _MS = 1_000, 1_000_000
# Jaeger's own defaults. Names are listed of a week, since their lists have no range of time.
SEARCH_BACK_NS = 48 * HOUR_NS
DEPENDENCIES_BACK_NS = 24 * HOUR_NS
NAMES_BACK_NS = 7 * 24 * HOUR_NS
TRACES = 20
_WHOLE = re.compile(r"[0-9]{1,19}")
# A time by the number of its digits: seconds until the year 2286, and so on.
_DIGITS = ((10, 1_000_000_000), (13, _MS), (16, _US), (19, 1))


def search(asked: Asked) -> Search:
    """Raises QueryError for what is no search."""
    service = asked.get("service")
    if not service:
        raise QueryError("parameter 'service' is required; or give traceID")
    shortest, longest = _duration(asked, "minDuration"), _duration(asked, "maxDuration")
    if shortest is not None and longest is not None and longest < shortest:
        raise QueryError("'maxDuration' should be greater than 'minDuration'")
    start, end = _range(asked)
    return Search(
        service=service,
        start_ns=start,
        end_ns=end,
        limit=_limit(asked),
        operation=asked.get("operation"),
        shortest_ns=shortest,
        longest_ns=longest,
        tags=tags.parse(asked.all("tag"), asked.all("tags")),
    )


def names(asked: Asked) -> Span:
    """`start` and `end` in microseconds; the last week where they are not given."""
    end = _time(asked, "end", _US, asked.now_ns)
    return _time(asked, "start", _US, max(end - NAMES_BACK_NS, 0)), end


def dependencies(asked: Asked) -> Span:
    """`endTs` and `lookback` in milliseconds; the last day where they are not given."""
    end = _time(asked, "endTs", _MS, asked.now_ns)
    back = _time(asked, "lookback", _MS, DEPENDENCIES_BACK_NS)
    return max(end - back, 0), end


def hint(asked: Asked) -> Span | None:
    """When a trace was seen, where the client says so. Some write microseconds, some milliseconds:
    the number of digits tells them apart."""
    start, end = (_any_time(asked, name) for name in ("start", "end"))
    if start is None and end is None:
        return None
    if start is None or end is None:
        one = start if end is None else end
        assert one is not None
        return one, one
    return min(start, end), max(start, end)


def _range(asked: Asked) -> Span:
    end = _time(asked, "end", _US, asked.now_ns)
    back = SEARCH_BACK_NS
    if (text := asked.get("lookback")) and text != "custom":
        found = parse_duration(text)
        if not found:
            raise QueryError(f"lookback={text[:32]!r} is no duration above 0; use 1h or 2d")
        back = found
    start = _time(asked, "start", _US, max(min(end, asked.now_ns) - back, 0))
    if end < start:
        raise QueryError(f"end={asked.get('end')[:32]} is before start={asked.get('start')[:32]}")
    return start, end


def _time(asked: Asked, name: str, unit_ns: int, default_ns: int) -> int:
    text = asked.get(name)
    if not text:
        return default_ns
    value = int(text) * unit_ns if _WHOLE.fullmatch(text) else -1
    if not 0 <= value <= LAST_NS:
        unit = {_US: "microseconds", _MS: "milliseconds"}[unit_ns]
        raise QueryError(f"{name}={text[:32]!r} is no number of {unit} up to the year 2261")
    return value


def _any_time(asked: Asked, name: str) -> int | None:
    text = asked.get(name)
    if not text:
        return None
    if not _WHOLE.fullmatch(text):
        raise QueryError(f"{name}={text[:32]!r} is no time; use microseconds since 1970")
    unit_ns = next(unit for digits, unit in _DIGITS if len(text) <= digits)
    return min(int(text) * unit_ns, LAST_NS)


def _duration(asked: Asked, name: str) -> int | None:
    text = asked.get(name)
    if not text:
        return None
    value = 0 if text == "0" else parse_duration(text)
    if value is None or value > LONGEST_NS:
        raise QueryError(f"{name}={text[:32]!r} is no duration; use 100us, 1.2ms or 5s")
    return value


def _limit(asked: Asked) -> int:
    return whole(asked.get("limit") or str(TRACES), "limit", 1, SEARCH_TRACES)
