"""Alerts that are not told because another one fires that explains them, as in Alertmanager.

An alert that both sides of a rule match does not inhibit those that both sides match too, so that
it never inhibits itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tailrace.alerts.delivery import matching
from tailrace.alerts.delivery.matching import Predicate
from tailrace.alerts.delivery.settings import InhibitSettings
from tailrace.core.alerting import Alert, Phase, fingerprint
from tailrace.core.errors import ConfigError

_Key = tuple[str, str, tuple[tuple[str, str], ...]]
_Place = tuple[str, tuple[str, ...]]  # tenant, values of the labels that are equal


@dataclass(frozen=True)
class InhibitRule:
    """See InhibitSettings."""

    source: Predicate
    target: Predicate
    equal: tuple[str, ...]


def rules(settings: Sequence[InhibitSettings]) -> tuple[InhibitRule, ...]:
    """Raises ConfigError naming the key."""
    found = []
    for number, one in enumerate(settings):
        key = f"alerts.inhibit[{number}]"
        if not one.source or not one.target:
            raise ConfigError(f"{key}: source and target need a matcher each")
        source, target = (_predicate(getattr(one, n), f"{key}.{n}") for n in ("source", "target"))
        found.append(InhibitRule(source, target, tuple(one.equal)))
    return tuple(found)


def _predicate(texts: Iterable[str], key: str) -> Predicate:
    try:
        return matching.predicate([one for text in texts for one in matching.parse(text)])
    except ValueError as error:
        raise ConfigError(f"{key}: {error}") from None


@dataclass
class _Sources:
    """Of one rule, the alerts that fire: whether each is matched by the target side too."""

    rule: InhibitRule
    places: dict[_Place, dict[_Key, bool]] = field(default_factory=dict)


class Inhibition:
    """Knows the alerts that fire, and says which others they inhibit."""

    def __init__(self, rules: Sequence[InhibitRule]) -> None:
        self._sources = [_Sources(rule) for rule in rules]

    def update(self, alert: Alert) -> None:
        """It fires, or does not any more."""
        labels = dict(alert.labels)
        for one in self._sources:
            if not one.rule.source(labels):
                continue
            place = _place(one.rule, alert.tenant, labels)
            if alert.phase is Phase.FIRING:
                one.places.setdefault(place, {})[alert.key] = one.rule.target(labels)
            elif firing := one.places.get(place):
                firing.pop(alert.key, None)
                if not firing:
                    del one.places[place]

    def inhibits(self, tenant: str, labels: Mapping[str, str]) -> bool:
        """Whether an alert with these labels is not to be told."""
        return any(_inhibitor(one, tenant, labels) for one in self._sources)

    def by(self, tenant: str, labels: Mapping[str, str]) -> list[str]:
        """Fingerprints of alerts that inhibit one with these labels: of each rule the first."""
        found = (_inhibitor(one, tenant, labels) for one in self._sources)
        return list(dict.fromkeys(fingerprint(key[2]) for key in found if key))


def _inhibitor(one: _Sources, tenant: str, labels: Mapping[str, str]) -> _Key | None:
    """The first alert by which an alert with these labels is not to be told."""
    firing = one.places.get(_place(one.rule, tenant, labels))
    if not firing or not one.rule.target(labels):
        return None
    if not one.rule.source(labels):
        return next(iter(firing))
    return next((key for key, both in firing.items() if not both), None)


def _place(rule: InhibitRule, tenant: str, labels: Mapping[str, str]) -> _Place:
    return tenant, tuple(labels.get(name, "") for name in rule.equal)
