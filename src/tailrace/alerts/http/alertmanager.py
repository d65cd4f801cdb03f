"""Alertmanager's endpoints of alerts and of what describes it, as amtool and Grafana ask them.

    GET  /api/v2/alerts         of the tenant, those that fire
    GET  /api/v2/alerts/groups  the same, as they are told: by receiver and labels in common
    POST /api/v2/alerts         400: alerts come of rules
    GET  /api/v2/receivers
    GET  /api/v2/status         with routes and inhibition as Alertmanager has them

Source: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tailrace import __version__
from tailrace.alerts.delivery import matching
from tailrace.alerts.delivery.view import Place, View
from tailrace.alerts.delivery.written import written
from tailrace.alerts.http.alertmanagerforms import PREFIX, answer, answered, filters
from tailrace.core.access import principal_of
from tailrace.core.alerting import Alert, AlertStore, Matcher, Phase, fingerprint
from tailrace.core.clock import Clock
from tailrace.core.errors import InputError
from tailrace.query.times import rfc3339

# An alert that nobody speaks of again is over after so long for Alertmanager's clients.
_FIRES_FOR_NS = 300 * 1_000_000_000
_NOT_TAKEN = (
    "alerts are made by the rules of this server and not taken from others: have them evaluated "
    "here, or send them to an Alertmanager"
)


class _Standing(NamedTuple):
    """An alert, the silences that hold for it, those that inhibit it, and its groups."""

    alert: Alert
    silences: Sequence[str]
    inhibitors: Sequence[str]
    places: Sequence[Place]


class AlertRoutes:
    """Of the alerts of a store, as one configuration sees them."""

    def __init__(self, store: AlertStore, view: View, clock: Clock) -> None:
        self._store = store
        self._view = view
        self._clock = clock
        self._began_ns = clock.wall_ns()

    def reading(self) -> list[BaseRoute]:
        """For those who may ask."""
        return [
            Route(f"{PREFIX}/alerts", answered(self._not_taken), methods=["POST"]),
            *(
                Route(f"{PREFIX}/{path}", answered(handler), methods=["GET"])
                for path, handler in (
                    ("alerts", self._alerts),
                    ("alerts/groups", self._groups),
                    ("receivers", self._receivers),
                    ("status", self._status),
                )
            ),
        ]

    async def _alerts(self, request: Request) -> Response:
        wanted = _Wanted(request)
        found = [
            self._shown(one)
            for one in await self._standing(request, wanted)
            if wanted.told([place.receiver for place in one.places])
        ]
        return answer(found)

    async def _groups(self, request: Request) -> Response:
        wanted = _Wanted(request)
        groups: dict[Place, list[dict[str, Any]]] = {}
        for one in await self._standing(request, wanted):
            shown = self._shown(one)
            for place in one.places:
                if wanted.told([place.receiver]):
                    groups.setdefault(place, []).append(shown)
        return answer(
            [
                {"labels": dict(place.labels), "receiver": {"name": place.receiver}, "alerts": some}
                for place, some in sorted(groups.items(), key=lambda group: group[0])
            ]
        )

    async def _standing(self, request: Request, wanted: _Wanted) -> list[_Standing]:
        """Those that fire and are wanted, by their fingerprints."""
        tenant, now_ns = principal_of(request.scope).tenant, self._clock.wall_ns()
        firing = [one for one in await self._store.alerts(tenant) if one.phase is Phase.FIRING]
        muting = self._view.muting(firing, await self._store.silences(tenant))
        found = []
        for one in sorted(firing, key=lambda alert: fingerprint(alert.labels)):
            if wanted.matches(dict(one.labels)):
                silences, inhibitors = muting.of(one, now_ns)
                if wanted.stands(bool(silences), bool(inhibitors)):
                    found.append(_Standing(one, silences, inhibitors, self._view.places(one)))
        return found

    async def _not_taken(self, request: Request) -> Response:
        return answer(_NOT_TAKEN, 400)

    async def _receivers(self, request: Request) -> Response:
        return answer([{"name": name} for name in self._view.receivers])

    async def _status(self, request: Request) -> Response:
        version = dict.fromkeys(("branch", "buildUser", "buildDate", "goVersion"), "")
        original = written(self._view.settings, principal_of(request.scope).tenant)
        return answer(
            {
                "cluster": {"status": "disabled"},
                "config": {"original": original},
                "uptime": rfc3339(self._began_ns),
                "versionInfo": {"version": __version__, "revision": "tailrace", **version},
            }
        )

    def _shown(self, one: _Standing) -> dict[str, Any]:
        alert, now_ns = one.alert, self._clock.wall_ns()
        names = dict.fromkeys(place.receiver for place in one.places)
        return {
            "labels": dict(alert.labels),
            "annotations": dict(alert.annotations),
            "startsAt": rfc3339(alert.fired_ns),
            "endsAt": rfc3339(now_ns + _FIRES_FOR_NS),
            "updatedAt": rfc3339(now_ns),
            "fingerprint": fingerprint(alert.labels),
            "generatorURL": self._view.settings.external_url,
            "receivers": [{"name": name} for name in names],
            "status": {
                "state": "suppressed" if one.silences or one.inhibitors else "active",
                "silencedBy": list(one.silences),
                "inhibitedBy": list(one.inhibitors),
                "mutedBy": [],
            },
        }


class _Wanted:
    """Which alerts are asked for. Raises InputError."""

    def __init__(self, request: Request) -> None:
        asked = request.query_params
        self._active, self._silenced, self._inhibited = (
            _flag(name, asked.get(name, "")) for name in ("active", "silenced", "inhibited")
        )
        self.matches = matching.predicate(filters(request))
        pattern = asked.get("receiver", "")
        try:
            self._receiver = matching.predicate([Matcher("name", "=~", pattern)] * bool(pattern))
        except ValueError as error:
            raise InputError(f"receiver: {error}", "receiver") from None

    def stands(self, silenced: bool, inhibited: bool) -> bool:
        """Whether alerts that are muted so are wanted."""
        if not silenced and not inhibited:
            return self._active
        return (self._silenced or not silenced) and (self._inhibited or not inhibited)

    def told(self, receivers: Sequence[str]) -> bool:
        """Whether one of those who are told is."""
        return self._receiver({}) or any(self._receiver({"name": name}) for name in receivers)


def _flag(name: str, text: str) -> bool:
    if not re.fullmatch("true|false|1|0|", text):
        raise InputError(f"{name}: give true or false", name)
    return text in ("", "true", "1")
