"""When a group of rules is due: at slots of its interval, which begin a few seconds apart.

So the load is even, and yet groups share slots, and with them what they read (scans.py).

A slot is a time, not a moment at which something happens to run: whenever a group gets its turn, it
is evaluated as of its slots. So `for` is counted in slots, and a late turn changes no result.
"""

from __future__ import annotations

from tailrace.alerts.rule import Group
from tailrace.core import limits
from tailrace.core.alerting import fingerprint

_APART_NS = int(limits.RULE_PHASE_S * 1e9)


def phase_ns(group: Group) -> int:
    """Where in its interval the slots of a group lie; it stays the same."""
    pairs = tuple((str(n), part) for n, part in enumerate(group.key))
    phases = max(1, group.interval_ns // _APART_NS)
    return int(fingerprint(pairs), 16) % phases * _APART_NS


def slot_at(group: Group, time_ns: int) -> int:
    """The last slot at or before a time."""
    phase = phase_ns(group)
    return (time_ns - phase) // group.interval_ns * group.interval_ns + phase


def after(group: Group, slot_ns: int) -> int:
    """The slot that follows."""
    return slot_ns + group.interval_ns
