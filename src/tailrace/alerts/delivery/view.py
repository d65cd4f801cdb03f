"""Alerts as those see them who ask: who is told of each, in which group, and why it is not told.

All of it follows from the settings and from what the store says, so that a server which does not
lead says the same as the one which does.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import NamedTuple

from tailrace.alerts.delivery.grouping import whole
from tailrace.alerts.delivery.inhibition import Inhibition, rules
from tailrace.alerts.delivery.routing import destinations, group_labels, tree
from tailrace.alerts.delivery.settings import DeliverySettings, receivers
from tailrace.alerts.delivery.silencing import Silences
from tailrace.core.alerting import Alert, Labels, Phase, Silence


class Place(NamedTuple):
    """A group that an alert is in: labels that its alerts have in common, and who is told."""

    labels: Labels
    receiver: str


class View:
    """Of one configuration, which is checked."""

    def __init__(self, settings: DeliverySettings) -> None:
        self.settings = settings
        self.receivers = list(receivers(settings))
        self._root = tree(settings)
        self._rules = rules(settings.inhibit)

    def places(self, alert: Alert) -> list[Place]:
        """Each once, in the order of the routes."""
        labels = {name: whole(value) for name, value in alert.labels}
        found = (
            Place(tuple(group_labels(route, labels).items()), route.receiver)
            for route in destinations(self._root, alert.tenant, labels)
        )
        return list(dict.fromkeys(found))

    def muting(self, alerts: Iterable[Alert], silences: Iterable[Silence]) -> Muting:
        """Between these alerts, by these silences."""
        inhibition = Inhibition(self._rules)
        if self._rules:
            for one in alerts:
                if one.phase is Phase.FIRING:
                    inhibition.update(one)
        known = Silences()
        for silence in silences:
            with contextlib.suppress(ValueError):  # nothing that can match
                known.put(silence)
        return Muting(known, inhibition)


class Muting:
    """Why alerts are not told."""

    def __init__(self, silences: Silences, inhibition: Inhibition) -> None:
        self._silences = silences
        self._inhibition = inhibition

    def of(self, alert: Alert, wall_ns: int) -> tuple[list[str], list[str]]:
        """The ids of the silences that hold for it, and fingerprints of alerts that inhibit it:
        for each rule of inhibition the first, as of Alertmanager."""
        labels = {name: whole(value) for name, value in alert.labels}
        silences = self._silences.of(alert.tenant, labels, wall_ns)
        return silences, self._inhibition.by(alert.tenant, labels)
