"""Alertmanagers, told by POST /api/v2/alerts as Prometheus tells them.

An alert that fires is said again every `resend_delay`, and ends by itself after four of them: so an
Alertmanager that was away knows soon, and one that hears nothing more does not go on for ever. One
of several is enough, as for Prometheus; each is sent to.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from tailrace.alerts.delivery.messages import SaidAlert, moment, read
from tailrace.alerts.delivery.outcome import NotTaken
from tailrace.alerts.delivery.posting import Post
from tailrace.alerts.delivery.receivers.webhook import credentials, usual
from tailrace.alerts.delivery.settings import Alertmanager
from tailrace.alerts.delivery.targets import Allowed
from tailrace.core.alerting import Notice
from tailrace.core.clock import Clock

_PATH = "/api/v2/alerts"
_ENDS_AFTER = 4


class AlertmanagerReceiver:
    """See Sender."""

    def __init__(self, settings: Alertmanager, allowed: Allowed, clock: Clock) -> None:
        self._settings = settings
        self._post = Post(allowed, settings.tls_ca, settings.tls_cert)
        self._clock = clock

    async def send(self, notice: Notice) -> None:
        lasts_ns = int(_ENDS_AFTER * self._settings.resend_delay * 1e9)
        ends_at = moment(self._clock.wall_ns() + lasts_ns)
        alerts = [_posted(one, ends_at) for one in read(notice.body).alerts]
        body, headers = msgspec.json.encode(alerts), usual(notice)
        secrets = credentials(self._settings)
        urls = [url.rstrip("/") + _PATH for url in self._settings.urls]
        sends = (self._post.post(url, headers, body, secrets) for url in urls)
        outcomes = await asyncio.gather(*sends, return_exceptions=True)
        if None not in outcomes:
            raise _worst(outcomes)


def _posted(alert: SaidAlert, ends_at: str) -> dict[str, Any]:
    return {
        "labels": alert.labels,
        "annotations": alert.annotations,
        "startsAt": alert.starts_at,
        "endsAt": ends_at if alert.fires else alert.ends_at,
        "generatorURL": alert.generator_url,
    }


def _worst(outcomes: list[BaseException | None]) -> BaseException:
    """One that may pass, if there is any: then it is tried again soon."""
    failures = [one for one in outcomes if one]
    passing = [one for one in failures if not (isinstance(one, NotTaken) and one.lasting)]
    return (passing or failures)[0]
