"""From how many values in an hour a place is worth an alert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from tailrace.core.errors import ConfigError
from tailrace.core.finding import Place
from tailrace.guard.kinds import Kind
from tailrace.guard.settings import Threshold


class Thresholds:
    """Raises ConfigError for what names no kind."""

    def __init__(self, thresholds: Sequence[Threshold], kinds: Mapping[str, Kind]) -> None:
        self._thresholds = list(thresholds)
        self._kinds = kinds
        for number, one in enumerate(thresholds):
            key = f"guard.thresholds[{number}]"
            if one.detector not in (*kinds, "*"):
                known = ", ".join(sorted(kinds))
                raise ConfigError(f"{key}.detector: {one.detector!r} is none; there are: {known}")
            if one.per_hour < 0:
                raise ConfigError(f"{key}.per_hour: a number from 1 on, or 0 for never")

    def of(self, place: Place) -> int | None:
        """Values in an hour; None for never. What is approved never is."""
        if place.action == "approved":
            return None
        for one in self._thresholds:
            fits = one.detector in (place.detector, "*") and fnmatchcase(place.service, one.service)
            if fits and fnmatchcase(place.environment, one.environment):
                return one.per_hour or None
        kind = self._kinds.get(place.detector)
        return kind.alert_per_hour if kind else 1
