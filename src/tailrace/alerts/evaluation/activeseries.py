"""ALERTS and ALERTS_FOR_STATE: the series in which Prometheus shows alerts to queries.

    ALERTS{alertname="...", alertstate="pending" or "firing", the labels of the alert} 1
    ALERTS_FOR_STATE{alertname="...", the labels of the alert} SECONDS since 1970, when it began

There is a sample of each for an alert that is pending or fires, at every evaluation, and
Prometheus' marker where the series ends: so an alert that begins to fire ends the series of the one
that was pending.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import nsmallest

from tailrace.core import limits
from tailrace.core.alerting import Alert, Labels, Phase
from tailrace.core.sample import NAME_CHARACTERS, Sample

ALERTS, FOR_STATE = "ALERTS", "ALERTS_FOR_STATE"
STATE = "alertstate"
_S = 1_000_000_000
# Values of series, by their metric and labels.
Active = Mapping[tuple[str, Labels], float]


def active(alerts: Iterable[Alert]) -> Active:
    """Of the alerts of one rule: at most limits.ALERT_SERIES of them, the first by their labels.
    One whose labels no series can have is left out."""
    those = [one for one in alerts if one.phase is not Phase.RESOLVED and _fits(one.labels)]
    if len(those) > limits.ALERT_SERIES:
        those = nsmallest(limits.ALERT_SERIES, those, key=lambda one: one.labels)
    found: dict[tuple[str, Labels], float] = {}
    for one in those:
        labels = {name: _whole(value) for name, value in one.labels if value}
        stands = {**labels, STATE: one.phase.value}
        found[ALERTS, tuple(sorted(stands.items()))] = 1.0
        found[FOR_STATE, tuple(labels.items())] = float(one.active_ns // _S)
    return found


def samples(now: Active, before: Iterable[tuple[str, Labels]], at_ns: int) -> list[Sample]:
    """Those of an evaluation. `before`: the series at the one before it."""
    there = [Sample(at_ns, key[0], value, attributes=dict(key[1])) for key, value in now.items()]
    over = (key for key in before if key not in now)
    return there + [Sample(at_ns, n, "NaN", attributes=dict(of), stale=True) for n, of in over]


def _fits(labels: Labels) -> bool:
    return len(labels) < limits.LABELS_PER_SERIES and all(
        len(name) <= NAME_CHARACTERS and len(value) <= limits.LABEL_VALUE_BYTES
        for name, value in labels
    )


def _whole(text: str) -> str:
    """Without halves of characters, which no series has."""
    return text if text.isascii() else text.encode(errors="replace").decode()
