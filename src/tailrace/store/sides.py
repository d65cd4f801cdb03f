"""The two sides of a horizon: which rows of a range of time are hot, and which are archived."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from tailrace.store import sql
from tailrace.store.horizon import Cut

_SECOND_NS = 1_000_000_000


class Sides:
    """Conditions for the rows of `start_ns` to `end_ns` on each side of `cut`; no row of that time
    is on both or on none. "" is none of them."""

    def __init__(self, cut: Cut, start_ns: int, end_ns: int) -> None:
        def within(time_ns: int) -> int:
            return min(max(time_ns, start_ns), end_ns + 1)

        rest = within(cut.rest_ns)
        apart = {name: ns for name, ns in cut.services.items() if within(ns) != rest}
        groups = {"": cut.rest_ns}
        if apart:
            groups = {f"ServiceName NOT IN ({_listed(apart)})": cut.rest_ns}
        for time_ns in sorted(set(apart.values())):
            names = (name for name, ns in apart.items() if ns == time_ns)
            groups[f"ServiceName IN ({_listed(names)})"] = time_ns
        hot = {who: ns for who, ns in groups.items() if within(ns) <= end_ns}
        archived = {who: ns for who, ns in groups.items() if within(ns) > start_ns}
        self.hot = _any(hot, ">=", min(hot.values(), default=0))
        self.archived = _any(archived, "<", max(archived.values(), default=0))
        # The same where it is not of the time alone, and the earliest time of it.
        self.hot_by_service = self.hot if apart else ""
        self.hot_ns = min(hot.values(), default=cut.last_ns)
        self._times = sorted(set(archived.values()))

    @property
    def told(self) -> str:
        """The horizon, or the first and the last of them."""
        first, *others = map(rfc3339, self._times)
        return f"{first} to {others[-1]}, by service" if others else first


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(sql.text, names))


def _any(groups: Mapping[str, int], sign: str, furthest_ns: int) -> str:
    """Those of each group on one side of its time. The furthest stands before the others, where
    partitions and files are left out by it."""
    bound = f"Timestamp {sign} {sql.moment(furthest_ns)}"
    if "" in groups or not groups:
        return bound if groups else ""
    each = (f"{who} AND Timestamp {sign} {sql.moment(ns)}" for who, ns in groups.items())
    return f"{bound} AND (({') OR ('.join(each)}))"


def rfc3339(ns: int) -> str:
    """UTC nanoseconds as text, in whole seconds."""
    return datetime.fromtimestamp(ns // _SECOND_NS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
