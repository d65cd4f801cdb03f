"""A live tail that survives lost connections."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator

from tailrace.core.backoff import backoff_s
from tailrace.core.errors import StoreError
from tailrace.core.line import Line

Opened = Callable[[], None]
Tail = Callable[[int, Opened], Iterator[Line]]
# Lines by which what is sent again after a new connection is known.
REMEMBERED = 10_000
# Lines may come later than newer ones; so far back is asked for again.
OVERLAP_NS = 10_000_000_000


def follow(tail: Tail, sleep: Callable[[float], None] = time.sleep) -> Iterator[Line]:
    """Lines of `tail(0, opened)`, then of `tail(start_ns, opened)` again and again, each line once.

    `tail` calls `opened` when it is connected. Raises StoreError while it never was, QueryError at
    any time. What was written while there was no connection comes as far as the server gives lines
    of the past.
    """
    recent: deque[Line] = deque(maxlen=REMEMBERED)
    newest, failures, connected = 0, 0, False

    def opened() -> None:
        nonlocal connected
        connected = True

    while True:
        since = max(newest - OVERLAP_NS, 0)
        again = Counter(_key(line) for line in recent if line.time_ns >= since)
        try:
            for line in tail(since, opened):
                failures = 0
                if again[_key(line)] > 0:
                    again[_key(line)] -= 1
                    continue
                newest = max(newest, line.time_ns)
                recent.append(line)
                yield line
        except StoreError:
            if not connected:
                raise
        failures += 1
        sleep(backoff_s(failures))


def _key(line: Line) -> tuple[object, ...]:
    return line.time_ns, line.body, tuple(sorted(line.labels.items()))
