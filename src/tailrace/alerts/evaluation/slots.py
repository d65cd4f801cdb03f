"""When a group of rules is due: at slots of its interval, which begin a few seconds apart.

So the load is even, and yet groups share slots, and with them what they read (scans.py).

A slot is a time, not a moment at which something happens to run: whenever a group gets its turn, it
is evaluated as of its slots. So `for` is counted in slots, and a late turn changes no result.
"""

from __future__ import annotations

from functools import lru_cache

from tailrace.alerts.rule import Group
from tailrace.core import limits
from tailrace.core.alerting import fingerprint

_APART_NS = int(limits.RULE_PHASE_S * 1e9)
# Groups whose numbers are kept.
_KNOWN = 4_096


def phase_ns(group: Group) -> int:
    """Where in its interval the slots of a group lie; it stays the same."""
    phases = max(1, group.interval_ns // _APART_NS)
    return _number(group.key) % phases * _APART_NS


@lru_cache(maxsize=_KNOWN)
def _number(key: tuple[str, str, str]) -> int:
    """One that a group's name stands for. Every group is asked for its slot every second."""
    return int(fingerprint(tuple((str(n), part) for n, part in enumerate(key))), 16)


def slot_at(group: Group, time_ns: int) -> int:
    """The last slot at or before a time."""
    phase = phase_ns(group)
    return (time_ns - phase) // group.interval_ns * group.interval_ns + phase


def after(group: Group, slot_ns: int) -> int:
    """The slot that follows."""
    return slot_ns + group.interval_ns
