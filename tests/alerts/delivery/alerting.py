"""Alerts, and settings as they stand in a file."""

from __future__ import annotations

import tomllib
from typing import Any

import msgspec

from tailrace.alerts.delivery.settings import DeliverySettings
from tailrace.core import units
from tailrace.core.alerting import Alert, Phase

START_NS = 1_800_000_000_000_000_000


def settings(text: str = "") -> DeliverySettings:
    raw = tomllib.loads(text).get("alerts", {})
    return msgspec.convert(raw, DeliverySettings, dec_hook=units.decode)


def alert(
    name: str = "Down", phase: Phase = Phase.FIRING, tenant: str = "default", **labels: str
) -> Alert:
    pairs = tuple(sorted({"alertname": name, **labels}.items()))
    ended: dict[str, Any] = {"ended_ns": START_NS + 1} if phase is Phase.RESOLVED else {}
    fired: dict[str, Any] = {} if phase is Phase.PENDING else {"fired_ns": START_NS}
    return Alert(tenant, "r1", pairs, (), phase, 1.0, START_NS, **fired, **ended)
