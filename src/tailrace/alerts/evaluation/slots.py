"""When a group of rules is due: at slots of its interval, staggered over all groups.

A slot is a time, not a moment at which something happens to run: whenever a group gets its turn, it
is evaluated as of its slots. So `for` is counted in slots, and a late turn changes no result.
"""

from __future__ import annotations

from tailrace.alerts.rule import Group
from tailrace.core.alerting import fingerprint

_MS = 1_000_000


def phase_ns(group: Group) -> int:
    """Where in its interval the slots of a group lie, whole milliseconds; it stays the same."""
    pairs = tuple((str(n), part) for n, part in enumerate(group.key))
    return int(fingerprint(pairs), 16) % (group.interval_ns // _MS) * _MS


def slot_at(group: Group, time_ns: int) -> int:
    """The last slot at or before a time."""
    phase = phase_ns(group)
    return (time_ns - phase) // group.interval_ns * group.interval_ns + phase


def after(group: Group, slot_ns: int) -> int:
    """The slot that follows."""
    return slot_ns + group.interval_ns
