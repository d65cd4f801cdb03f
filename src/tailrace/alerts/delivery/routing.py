"""The tree of routes: which receivers an alert goes to, as Alertmanager's goes.

An alert enters at the root. A route that matches hands it to the first of its own routes that
matches, and to those after it while `continue` is said; it keeps what none of them takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from tailrace.alerts.delivery import matching
from tailrace.alerts.delivery.matching import Predicate
from tailrace.alerts.delivery.settings import (
    LOG,
    Alertmanager,
    AnyReceiver,
    DeliverySettings,
    RouteSettings,
    receivers,
)
from tailrace.core import limits
from tailrace.core.alerting import Matcher
from tailrace.core.errors import ConfigError

EVERY_LABEL = "..."
_LEAST_INTERVAL_S = 1.0


@dataclass(frozen=True)
class Timing:
    """Seconds: how long the first alert of a group waits for others, how far two notices of a
    group are apart at least, and after how long one is said again though nothing changed."""

    wait_s: float
    interval_s: float
    repeat_s: float


@dataclass(frozen=True)
class Route:
    """`key` names it, whatever stands beside it. `group_by` None: every label. `mutes`: whether
    silences and inhibition count here; an Alertmanager has its own."""

    key: str
    receiver: str
    send_resolved: bool
    mutes: bool
    group_by: tuple[str, ...] | None
    timing: Timing
    matches: Predicate
    tenants: frozenset[str] = frozenset()
    goes_on: bool = False
    routes: tuple[Route, ...] = ()


def destinations(route: Route, tenant: str, labels: Mapping[str, str]) -> Iterator[Route]:
    """The routes that keep an alert which `route` matches."""
    taken = False
    for one in route.routes:
        if (one.tenants and tenant not in one.tenants) or not one.matches(labels):
            continue
        taken = True
        yield from destinations(one, tenant, labels)
        if not one.goes_on:
            break
    if not taken:
        yield route


def group_key(route: Route, labels: Mapping[str, str]) -> str:
    """Names the group of an alert within its tenant and receiver: route and values of group_by."""
    values = ", ".join(f"{k}={matching.quoted(v)}" for k, v in group_labels(route, labels).items())
    return f"{route.key}:{{{values}}}"


def group_labels(route: Route, labels: Mapping[str, str]) -> dict[str, str]:
    """Those that the alerts of a group have in common by its route, sorted by name."""
    if route.group_by is None:
        return dict(sorted(labels.items()))
    return {name: labels[name] for name in route.group_by if name in labels}


def tree(settings: DeliverySettings) -> Route:
    """The root, which matches every alert. Raises ConfigError naming the key."""
    first = settings.receivers[0].name if settings.receivers else LOG
    said = RouteSettings(
        receiver=settings.receiver or first,
        group_by=settings.group_by,
        group_wait=settings.group_wait,
        group_interval=settings.group_interval,
        repeat_interval=settings.repeat_interval,
        routes=settings.routes,
    )
    return _route(said, "alerts", "{}", receivers(settings), 0)


def _route(
    said: RouteSettings, place: str, key: str, known: Mapping[str, AnyReceiver], depth: int
) -> Route:
    """`place`: its key in the configuration. It says all that may be inherited."""
    if depth > limits.ALERT_ROUTE_DEPTH:
        raise ConfigError(f"{place}: at most {limits.ALERT_ROUTE_DEPTH} routes within another")
    receiver = known.get(said.receiver)
    if receiver is None:
        raise ConfigError(f"{place}.receiver: {said.receiver!r} is the name of no receiver")
    matchers = _matchers(said.matchers, f"{place}.matchers")
    within: list[Route] = []
    for number, inner in enumerate(said.routes):
        where = f"{place}.routes[{number}]"
        inner_key = f"{key}/{_named(_matchers(inner.matchers, f'{where}.matchers'), inner.tenants)}"
        alike = sum(one.key.partition("#")[0] == inner_key for one in within)
        name = f"{inner_key}#{alike}" if alike else inner_key
        within.append(_route(_inheriting(inner, said), where, name, known, depth + 1))
    timing = _timing(said, place)
    group_by = _group_by(said.group_by or [], f"{place}.group_by")
    own = isinstance(receiver, Alertmanager)
    if isinstance(receiver, Alertmanager):  # it is told all at once, and again before it forgets
        group_by, timing = (), Timing(0.0, 1.0, receiver.resend_delay)
    return Route(
        key=key,
        receiver=said.receiver,
        send_resolved=receiver.send_resolved,
        mutes=not own,
        group_by=group_by,
        timing=timing,
        matches=matching.predicate(matchers),
        tenants=frozenset(said.tenants),
        goes_on=said.continue_,
        routes=tuple(within),
    )


def _inheriting(inner: RouteSettings, around: RouteSettings) -> RouteSettings:
    inherited = ("receiver", "group_by", "group_wait", "group_interval", "repeat_interval")
    unset = {
        name: getattr(around, name) for name in inherited if getattr(inner, name) in (None, "")
    }
    return msgspec.structs.replace(inner, **unset)


def _matchers(texts: Sequence[str], place: str) -> tuple[Matcher, ...]:
    found: list[Matcher] = []
    for number, text in enumerate(texts):
        try:
            found += matching.parse(text)
        except ValueError as error:
            raise ConfigError(f"{place}[{number}]: {error}") from None
    return tuple(found)


def _named(matchers: Sequence[Matcher], tenants: Sequence[str]) -> str:
    """As Alertmanager names a route, with the tenants it is for."""
    text = ",".join(sorted(matching.written(one) for one in matchers))
    return f"{{{text}}}" + (f"@{','.join(sorted(tenants))}" if tenants else "")


def _group_by(names: Sequence[str], place: str) -> tuple[str, ...] | None:
    if EVERY_LABEL in names and len(names) > 1:
        raise ConfigError(f'{place}: "..." is every label, and stands alone')
    if len(set(names)) < len(names) or "" in names:
        raise ConfigError(f"{place}: names of labels, each once")
    return None if EVERY_LABEL in names else tuple(sorted(names))


def _timing(said: RouteSettings, place: str) -> Timing:
    wait, interval, repeat = said.group_wait, said.group_interval, said.repeat_interval
    assert wait is not None and interval is not None and repeat is not None
    if wait > limits.ALERT_INTERVAL_S:
        raise ConfigError(f'{place}.group_wait: at most "7d"')
    if not _LEAST_INTERVAL_S <= interval <= limits.ALERT_INTERVAL_S:
        raise ConfigError(f'{place}.group_interval: from "1s" to "7d"')
    if not interval <= repeat <= limits.ALERT_INTERVAL_S:
        raise ConfigError(f'{place}.repeat_interval: from group_interval to "7d"')
    return Timing(wait, interval, repeat)
