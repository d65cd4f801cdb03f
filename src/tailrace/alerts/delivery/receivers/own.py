"""The own log: a line for each alert that changed."""

from __future__ import annotations

from tailrace.alerts.delivery.messages import read
from tailrace.core import log
from tailrace.core.alerting import Notice

_log = log.get("alerts")
_LABELS = 10


class LogReceiver:
    """See Sender. Never fails."""

    async def send(self, notice: Notice) -> None:
        for alert in read(notice.body).alerts:
            pairs = [f"{k}={v}" for k, v in alert.labels.items() if k != "alertname"]
            _log.warning(
                "%s is %s: %s",
                alert.labels.get("alertname", "an alert"),
                alert.status,
                ", ".join(pairs[:_LABELS]) or "no labels",
                extra={"tenant": notice.tenant, "summary": alert.annotations.get("summary", "")},
            )
