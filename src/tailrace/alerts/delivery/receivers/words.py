"""A message for people: what templating makes of it by default."""

from __future__ import annotations

from datetime import datetime

from tailrace.alerts.delivery.messages import Message, SaidAlert
from tailrace.alerts.templating import notices
from tailrace.alerts.templating.notices import Shown


def title(message: Message) -> str:
    """One line."""
    return notices.title(_shown(message), message.group_labels)


def body(message: Message) -> str:
    """Plain text, those that fire first."""
    return notices.body(_shown(message), message.external_url)


def _shown(message: Message) -> list[Shown]:
    return [_one(alert) for alert in message.alerts]


def _one(alert: SaidAlert) -> Shown:
    since = datetime.fromisoformat(alert.starts_at if alert.fires else alert.ends_at)
    since_ns = max(0, int(since.timestamp()) * 1_000_000_000)
    return Shown(alert.fires, alert.labels, alert.annotations, since_ns)
