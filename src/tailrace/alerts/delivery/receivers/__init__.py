"""Who is told: one file for each kind of receiver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from tailrace.alerts.delivery.receivers.alertmanager import AlertmanagerReceiver
from tailrace.alerts.delivery.receivers.command import CommandReceiver
from tailrace.alerts.delivery.receivers.email import EmailReceiver
from tailrace.alerts.delivery.receivers.own import LogReceiver
from tailrace.alerts.delivery.receivers.slack import SlackReceiver
from tailrace.alerts.delivery.receivers.webhook import WebhookReceiver
from tailrace.alerts.delivery.settings import (
    Alertmanager,
    AnyReceiver,
    Command,
    Email,
    Slack,
    Webhook,
)
from tailrace.alerts.delivery.targets import Allowed
from tailrace.core.alerting import Notice
from tailrace.core.clock import Clock


class Sender(Protocol):
    """Sends to one receiver. May be cancelled at any time, and then lets go of all it holds."""

    async def send(self, notice: Notice) -> None:
        """Returning means that the receiver took it. Raises NotTaken, OSError."""
        ...


def sender(
    settings: AnyReceiver,
    allowed: Allowed,
    clock: Clock,
    external_labels: Mapping[str, str] | None = None,
) -> Sender:
    """For the receiver of these settings. `external_labels`: see DeliverySettings."""
    match settings:
        case Webhook():
            return WebhookReceiver(settings, allowed)
        case Slack():
            return SlackReceiver(settings, allowed)
        case Email():
            return EmailReceiver(settings, allowed)
        case Command():
            return CommandReceiver(settings)
        case Alertmanager():
            return AlertmanagerReceiver(settings, allowed, clock, external_labels or {})
        case _:
            return LogReceiver()
