"""Alertmanagers, told by POST /api/v2/alerts as Prometheus tells them.

An alert that fires is said again every `resend_delay`, and ends by itself after four of them: so an
Alertmanager that was away knows soon, and one that hears nothing more does not go on for ever. One
of several is enough, as for Prometheus; each is sent to.

An Alertmanager takes the alerts of a request that it finds right and answers 400 because of the
others, say those with a dot in the name of a label, which it takes since its version 0.27 only.
Neither they nor the alerts beside them wait for a person then: a notice is over, and counts as
given up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from tailrace.alerts.delivery.messages import SaidAlert, moment, read
from tailrace.alerts.delivery.outcome import NotTaken
from tailrace.alerts.delivery.posting import Answer, Post, judged
from tailrace.alerts.delivery.receivers.webhook import credentials, usual
from tailrace.alerts.delivery.settings import Alertmanager
from tailrace.alerts.delivery.targets import Allowed
from tailrace.core.alerting import Notice
from tailrace.core.clock import Clock
from tailrace.core.visible import visible

_PATH = "/api/v2/alerts"
_ENDS_AFTER = 4
_WORDS = 200


class AlertmanagerReceiver:
    """See Sender."""

    def __init__(
        self,
        settings: Alertmanager,
        allowed: Allowed,
        clock: Clock,
        external_labels: Mapping[str, str],
    ) -> None:
        """`external_labels` are those of every alert that has no other value for them."""
        self._settings = settings
        self._external_labels = external_labels
        self._post = Post(allowed, settings.tls_ca, settings.tls_cert, _judged)
        self._clock = clock

    async def send(self, notice: Notice) -> None:
        lasts_ns = int(_ENDS_AFTER * self._settings.resend_delay * 1e9)
        ends_at = moment(self._clock.wall_ns() + lasts_ns)
        said = read(notice.body).alerts
        alerts = [_posted(one, ends_at, self._external_labels) for one in said]
        body, headers = msgspec.json.encode(alerts), usual(notice)
        secrets = credentials(self._settings)
        urls = [url.rstrip("/") + _PATH for url in self._settings.urls]
        sends = (self._post.post(url, headers, body, secrets) for url in urls)
        outcomes = await asyncio.gather(*sends, return_exceptions=True)
        if None not in outcomes:
            raise _worst(outcomes)


def _posted(alert: SaidAlert, ends_at: str, external: Mapping[str, str]) -> dict[str, Any]:
    return {
        "labels": {**external, **alert.labels},
        "annotations": alert.annotations,
        "startsAt": alert.starts_at,
        "endsAt": ends_at if alert.fires else alert.ends_at,
        "generatorURL": alert.generator_url,
    }


def _judged(answer: Answer) -> None:
    """Its own 400 is a JSON string; one of whatever stands before it is not."""
    own = answer.headers.get("content-type", "").startswith("application/json")
    if answer.status == HTTPStatus.BAD_REQUEST and own and answer.body.startswith(b'"'):
        words = visible(answer.body[:_WORDS].decode("utf-8", "replace").strip())
        raise NotTaken(f"it refuses some alerts: {words}", over=True)
    judged(answer)


def _worst(outcomes: Sequence[BaseException | None]) -> BaseException:
    """What took the right alerts took all it can. One that may pass is tried again soon."""
    failures = [one for one in outcomes if one]
    over = [one for one in failures if isinstance(one, NotTaken) and one.over]
    passing = [one for one in failures if not (isinstance(one, NotTaken) and one.lasting)]
    return (over or passing or failures)[0]
