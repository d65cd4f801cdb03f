"""Alertmanager's endpoints of alerts and of what describes it, as amtool and Grafana ask them.

    GET  /api/v2/alerts      of the tenant, those that fire
    GET  /api/v2/receivers
    GET  /api/v2/status

Source: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml. Which alerts
inhibit another one is not told: it is "suppressed", and `inhibitedBy` is empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tailrace import __version__
from tailrace.alerts.delivery import matching
from tailrace.alerts.http.alertmanagerforms import PREFIX, answer, answered, filters
from tailrace.core.access import principal_of
from tailrace.core.alerting import Alert, AlertStore, Matcher, Phase, fingerprint
from tailrace.core.clock import Clock
from tailrace.core.errors import InputError
from tailrace.query.times import rfc3339

# An alert that nobody speaks of again is over after so long for Alertmanager's clients.
_FIRES_FOR_NS = 300 * 1_000_000_000
# The silences that hold for an alert, and whether another one inhibits it.
Muted = Callable[[Alert], tuple[Sequence[str], bool]]


class AlertRoutes:
    """`receivers` gives the names of those who are told of an alert, and of all for None."""

    def __init__(
        self,
        store: AlertStore,
        muted: Muted,
        receivers: Callable[[Alert | None], Sequence[str]],
        clock: Clock,
    ) -> None:
        self._store = store
        self._muted = muted
        self._receivers = receivers
        self._clock = clock
        self._began_ns = clock.wall_ns()

    def reading(self) -> list[BaseRoute]:
        """For those who may ask."""
        return [
            Route(f"{PREFIX}/{path}", answered(handler), methods=["GET"])
            for path, handler in (
                ("alerts", self._alerts),
                ("receivers", self._all_receivers),
                ("status", self._status),
            )
        ]

    async def _alerts(self, request: Request) -> Response:
        wanted = _Wanted(request)
        now_ns = self._clock.wall_ns()
        firing = (
            one
            for one in await self._store.alerts(principal_of(request.scope).tenant)
            if one.phase is Phase.FIRING and wanted.matches(dict(one.labels))
        )
        found = []
        for one in firing:
            silences, inhibited = self._muted(one)
            receivers = self._receivers(one)
            if wanted.stands(silences, inhibited) and wanted.told(receivers):
                found.append(_shown(one, silences, inhibited, receivers, now_ns))
        return answer(sorted(found, key=lambda one: str(one["fingerprint"])))

    async def _all_receivers(self, request: Request) -> Response:
        return answer([{"name": name} for name in self._receivers(None)])

    async def _status(self, request: Request) -> Response:
        version = dict.fromkeys(("branch", "buildUser", "buildDate", "goVersion"), "")
        return answer(
            {
                "cluster": {"status": "disabled"},
                "config": {"original": ""},
                "uptime": rfc3339(self._began_ns),
                "versionInfo": {"version": __version__, "revision": "tailrace", **version},
            }
        )


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

    def stands(self, silences: Sequence[str], inhibited: bool) -> bool:
        """Whether alerts that are muted so are wanted."""
        if not silences and not inhibited:
            return self._active
        return (self._silenced or not silences) and (self._inhibited or not inhibited)

    def told(self, receivers: Sequence[str]) -> bool:
        """Whether one of those who are told is."""
        return self._receiver({}) or any(self._receiver({"name": name}) for name in receivers)


def _flag(name: str, text: str) -> bool:
    if not re.fullmatch("true|false|1|0|", text):
        raise InputError(f"{name}: give true or false", name)
    return text in ("", "true", "1")


def _shown(
    one: Alert, silences: Sequence[str], inhibited: bool, receivers: Sequence[str], now_ns: int
) -> dict[str, Any]:
    return {
        "labels": dict(one.labels),
        "annotations": dict(one.annotations),
        "startsAt": rfc3339(one.fired_ns),
        "endsAt": rfc3339(now_ns + _FIRES_FOR_NS),
        "updatedAt": rfc3339(now_ns),
        "fingerprint": fingerprint(one.labels),
        "generatorURL": "",
        "receivers": [{"name": name} for name in receivers],
        "status": {
            "state": "suppressed" if silences or inhibited else "active",
            "silencedBy": list(silences),
            "inhibitedBy": [],
            "mutedBy": [],
        },
    }
