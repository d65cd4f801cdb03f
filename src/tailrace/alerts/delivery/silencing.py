"""Silences: who is not to be told of what, and for how long. Their times are of the wall clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tailrace.alerts.delivery import matching
from tailrace.alerts.delivery.matching import Predicate
from tailrace.core.alerting import Silence


class Silences:
    """All that are known, by tenant."""

    def __init__(self, silences: Iterable[Silence] = ()) -> None:
        self._known: dict[str, dict[str, tuple[Silence, Predicate]]] = {}
        for one in silences:
            self.put(one)

    def put(self, silence: Silence) -> None:
        """A new one, or one that is otherwise now; an older version of it changes nothing. Raises
        ValueError for a matcher that is none."""
        known = self._known.setdefault(silence.tenant, {})
        if silence.id in known and silence.updated_ns < known[silence.id][0].updated_ns:
            return
        known[silence.id] = (silence, matching.predicate(silence.matchers))

    def silences(self, tenant: str, labels: Mapping[str, str], wall_ns: int) -> bool:
        """Whether one of them holds at that time for an alert with these labels."""
        return any(
            one.starts_ns <= wall_ns < one.ends_ns and matches(labels)
            for one, matches in self._known.get(tenant, {}).values()
        )

    def of(self, tenant: str, labels: Mapping[str, str], wall_ns: int) -> list[str]:
        """The ids of those that hold."""
        return [
            id
            for id, (one, matches) in self._known.get(tenant, {}).items()
            if one.starts_ns <= wall_ns < one.ends_ns and matches(labels)
        ]

    def forget(self, before_ns: int) -> None:
        """Those that were over before then."""
        for known in self._known.values():
            for id in [id for id, (one, _) in known.items() if one.ends_ns < before_ns]:
                del known[id]
