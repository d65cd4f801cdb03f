"""Groups of alerts: what a receiver was told of each, and what there is to tell.

The rules are those of Alertmanager's notification log, with two promises on top. The end of an
alert that was told is told too, though a silence began meanwhile; the end of one that was not is
nobody's business. And a group is looked at when something is due, not at ticks: its first alert
waits `wait_s`, two notices are `interval_s` apart, and what has not changed is said again after
exactly `repeat_s`. An alert that ends and fires again before the next notice never ended for its
receiver. One that fired while nobody could be told, and ended before the group's turn, is told to
fire and then to have ended.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tailrace.alerts.delivery.routing import Route, destinations, group_key
from tailrace.core.alerting import Alert, Labels, Phase, fingerprint

Key = tuple[str, str, str]  # tenant, receiver, group
AlertKey = tuple[str, str, Labels]


class Member:
    """An alert as it was given last, in all its groups. `mark` stands for it in what was told: it
    is of its labels alone, as in Alertmanager, so that a rule that was edited goes on. `heard`: its
    `missed_ns` at the last turn of a group, where it has one."""

    __slots__ = ("alert", "heard", "labels", "mark", "places")

    def __init__(self, alert: Alert, root: Route) -> None:
        self.alert = alert
        self.heard: dict[Key, int] = {}
        self.labels = {name: whole(value) for name, value in alert.labels}
        self.mark = fingerprint(alert.labels)
        self.places: dict[Key, Route] = {
            (alert.tenant, route.receiver, group_key(route, self.labels)): route
            for route in destinations(root, alert.tenant, self.labels)
        }

    @property
    def fires(self) -> bool:
        return self.alert.phase is Phase.FIRING

    def unheard(self, group: Key) -> bool:
        """Whether it is over and the group is still to be told that it fired."""
        return not self.fires and self.alert.missed_ns != self.heard.get(group, 0)

    def had_its_turn(self, group: Key) -> None:
        """The group knows of it all that it is to know."""
        if self.alert.missed_ns:
            self.heard[group] = self.alert.missed_ns


def whole(text: str) -> str:
    """`text` without halves of characters, which no JSON and no database takes."""
    return text if text.isascii() else text.encode(errors="replace").decode()


@dataclass(frozen=True)
class News:
    """What a notice says: alerts that fire, and those that ended since; neither where the end is
    only to be noted. `firing_marks`: of those whose end is to be told from then on. `unheard`: they
    are over, and are to be told to fire in a notice before this one."""

    firing: tuple[Alert, ...]
    resolved: tuple[Alert, ...]
    firing_marks: frozenset[str]
    resolved_marks: frozenset[str]
    unheard: tuple[Alert, ...] = ()

    @property
    def empty(self) -> bool:
        return not self.firing and not self.resolved and not self.unheard


@dataclass
class Group:
    """`told`: marks of alerts whose end the receiver does not know. `told_s`: when it was told
    something last, `due_s`: when to look again, by the monotonic clock; `told_ns` is `told_s` by
    the wall clock. `queued_s`: for which `due_s` it waits in the dispatcher's queue.
    """

    key: Key
    route: Route
    labels: Mapping[str, str]
    members: dict[AlertKey, Member] = field(default_factory=dict)
    told: frozenset[str] = frozenset()
    told_s: float = -math.inf
    told_ns: int = 0
    due_s: float = math.inf
    queued_s: float = math.inf

    def differs(self, member: Member) -> bool:
        """Whether the receiver knows otherwise of it."""
        return member.fires != (member.mark in self.told) or member.unheard(self.key)

    def expect(self, now_s: float, waited_s: float = 0.0) -> None:
        """Something differs, since `waited_s`."""
        timing = self.route.timing
        ready_s = now_s + max(0.0, timing.wait_s - waited_s)
        self.due_s = min(self.due_s, max(ready_s, self.told_s + timing.interval_s))

    def rest(self, now_s: float) -> None:
        """It was looked at. Silences and inhibition may end before anything is to be repeated."""
        for one in self.members.values():
            one.had_its_turn(self.key)
        timing = self.route.timing
        repeat_s = self.told_s + timing.repeat_s if self.told else math.inf
        if repeat_s <= now_s:
            repeat_s = math.inf
        look_s = now_s + timing.interval_s if self.route.mutes else now_s + timing.repeat_s
        self.due_s = min(look_s, repeat_s)

    def news(self, now_s: float, muted: Callable[[Member], bool]) -> News | None:
        """What there is to tell; None for nothing."""
        firing = {one.mark: one for one in self.members.values() if one.fires}
        heard = {mark: one for mark, one in firing.items() if not muted(one)}
        over = {
            one.mark: one
            for one in self.members.values()
            if not one.fires
            and (one.mark in self.told or one.unheard(self.key))
            and one.mark not in firing
        }
        unheard = [one for mark, one in over.items() if mark not in self.told and not muted(one)]
        ends = [one for mark, one in over.items() if mark in self.told] + unheard
        again = bool(heard) and now_s - self.told_s >= self.route.timing.repeat_s
        fresh = not heard.keys() <= self.told
        if not (again or fresh or over):
            return None
        tells_over = bool(ends) and self.route.send_resolved
        said = again or fresh or tells_over or bool(unheard)
        return News(
            firing=tuple(one.alert for one in heard.values()) if said else (),
            resolved=tuple(one.alert for one in ends) if tells_over else (),
            firing_marks=frozenset(heard) | (self.told & frozenset(firing)),
            resolved_marks=frozenset(over),
            unheard=tuple(one.alert for one in unheard),
        )

    def fresh(self, news: News) -> list[Alert]:
        """Those of its alerts that fire and that the receiver did not know of."""
        new = news.firing_marks - self.told
        return [one.alert for one in self.members.values() if one.fires and one.mark in new]

    def heard(self, news: News, now_s: float, at_ns: int) -> None:
        """The receiver is being told; `at_ns` when it was told something last."""
        self.told, self.told_ns = news.firing_marks, at_ns
        if not news.empty:
            self.told_s = now_s
        self.rest(now_s)
        self.members = {key: one for key, one in self.members.items() if one.fires}
