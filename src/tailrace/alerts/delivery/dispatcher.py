"""Knows every group of alerts, and tells the outbox what each receiver is to hear.

Alerts that changed are taken up between two transactions, so that what one of them says of a group
is what it was decided from. Intervals are of the monotonic clock; only silences, and what a restart
finds, are of the wall clock, within the bounds of an interval.

The evaluator owns the alerts: it never deletes one that fired, but says that it is resolved; it is
deleted here, once every group it belongs to has heard of its end. An alert that is pending again
has ended for those who were told that it fired.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from tailrace.alerts.delivery import messages
from tailrace.alerts.delivery.grouping import AlertKey, Group, Key, Member, News
from tailrace.alerts.delivery.inhibition import Inhibition
from tailrace.alerts.delivery.routing import Route, group_labels
from tailrace.alerts.delivery.silencing import Silences
from tailrace.core import limits, log
from tailrace.core.alerting import Alert, AlertStore, Notice, Phase, Silence, Told
from tailrace.core.backoff import backoff_s
from tailrace.core.clock import Clock
from tailrace.core.errors import StoreError

_log = log.get("alerts")
# A machine that slept looks at its groups this soon.
_LONGEST_WAIT_S = 15.0
# Alerts that are taken up before others have their turn: some 20 ms.
_TAKEN_AT_ONCE = 1_000
# Silences that another server was given are heard of this soon.
_SILENCES_S = 15.0
# When a receiver whose outbox is full is tried again.
_NO_ROOM_S = 15.0


class Dispatcher:
    """Used from one event loop. `load` comes first."""

    def __init__(
        self,
        store: AlertStore,
        root: Route,
        inhibition: Inhibition,
        clock: Clock,
        external_url: str = "",
        made: Callable[[], None] = lambda: None,
        forgotten: Callable[[Sequence[Alert]], None] = lambda alerts: None,
        told: Callable[[Sequence[Alert], int], None] = lambda alerts, at_ns: None,
    ) -> None:
        """`made` is called when there are new notices, `forgotten` with resolved alerts that are no
        more in the store, `told` with those that fire and are in a notice to a receiver that did
        not know of them, and when it was made; none may block."""
        self._store = store
        self._root = root
        self._inhibition = inhibition
        self._clock = clock
        self._external_url = external_url
        self._made = made
        self._forgotten = forgotten
        self._first_told = told
        self._silences = Silences()
        self._read_s = 0.0
        self._groups: dict[Key, Group] = {}
        self._queue: list[tuple[float, Key]] = []
        self._changes: list[Alert] = []
        self._told: dict[Key, Told] = {}
        self._known: dict[AlertKey, Member] = {}
        self._gone: dict[AlertKey, Alert] = {}
        self._woken = asyncio.Event()

    async def load(self) -> None:
        """Go on where the store says that the last process was. Raises StoreError."""
        await self._read_silences()
        self._told = {told.key: told for told in await self._store.told() if told.firing}
        wall_ns = self._clock.wall_ns()
        for alert in await self._store.alerts():
            self._take(alert, max(0.0, (wall_ns - alert.fired_ns) / 1e9))
        self._told.clear()

    async def _read_silences(self) -> None:
        """Others who share the store may have begun some."""
        found = await self._store.silences()
        for one in found:
            with contextlib.suppress(ValueError):  # nothing that can match
                self._silences.put(one)
        self._read_s = self._clock.monotonic_s()

    def changed(self, alerts: Iterable[Alert]) -> None:
        """They are otherwise now, and the store knows it."""
        self._changes += alerts
        self._woken.set()

    def silence(self, silence: Silence) -> None:
        """It begins, or is otherwise now. Raises ValueError for a matcher that is none."""
        self._silences.put(silence)
        self._silences.forget(self._clock.wall_ns())

    async def run(self) -> None:
        """Until it is cancelled. What the store refuses is tried again."""
        failures = 0
        while True:
            self._woken.clear()
            try:
                if self._clock.monotonic_s() >= self._read_s + _SILENCES_S:
                    await self._read_silences()
                await self.tell_due()
                failures = 0
            except StoreError as error:
                failures += 1
                _log.warning("what receivers are to be told is not kept: %s", error)
            except Exception:  # what nobody foresaw must not end the telling of all others
                failures += 1
                _log.exception("what receivers are to be told could not be made")
            wait_s = backoff_s(failures) if failures else self.wait_s()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._woken.wait()

    def wait_s(self) -> float:
        """How long nothing is due, unless something changes."""
        due_s = self._queue[0][0] if self._queue else math.inf
        return min(_LONGEST_WAIT_S, max(0.0, due_s - self._clock.monotonic_s()))

    async def tell_due(self) -> None:
        """Tell what is due. Raises StoreError; then it is still due."""
        while True:
            while self._changes:
                some = self._changes[:_TAKEN_AT_ONCE]
                del self._changes[:_TAKEN_AT_ONCE]
                for alert in some:
                    self._take(alert)
                await asyncio.sleep(0)
            due = self._due()
            if not due and not self._gone:
                return
            try:
                await self._tell(due)
            finally:
                for group in due:
                    self._settle(group)

    def _take(self, alert: Alert, waited_s: float = 0.0) -> None:
        """Put it where it belongs. `waited_s`: how long ago that was so first."""
        self._inhibition.update(alert)
        self._gone.pop(alert.key, None)
        member = self._member(alert)
        held = False
        for key, route in member.places.items():
            group = self._groups.get(key) or self._begun(key, route, member.labels)
            if member.fires or member.unheard(key) or member.mark in group.told:
                held = True
                group.members[alert.key] = member
                if group.differs(member):
                    group.expect(self._clock.monotonic_s(), waited_s)
            else:
                group.members.pop(alert.key, None)
            self._settle(group)
        if held:
            self._known[alert.key] = member
            return
        self._known.pop(alert.key, None)
        if alert.phase is Phase.RESOLVED:
            self._gone[alert.key] = alert

    def _member(self, alert: Alert) -> Member:
        """One that is pending again ended when it began to be, and fired when it did before."""
        member = self._known.get(alert.key) or Member(alert, self._root)
        if alert.phase is Phase.PENDING:
            fired_ns = alert.fired_ns or member.alert.fired_ns
            ended_ns = alert.ended_ns or alert.active_ns
            alert = msgspec.structs.replace(alert, fired_ns=fired_ns, ended_ns=ended_ns)
        member.alert = alert
        return member

    def _begun(self, key: Key, route: Route, labels: Mapping[str, str]) -> Group:
        group = self._groups[key] = Group(key, route, group_labels(route, labels))
        if told := self._told.get(key):
            ago_s = max(0.0, (self._clock.wall_ns() - told.at_ns) / 1e9)
            group.told = frozenset(told.firing)
            group.told_s = self._clock.monotonic_s() - ago_s
            group.told_ns = told.at_ns
            group.rest(self._clock.monotonic_s())
        return group

    def _settle(self, group: Group) -> None:
        """Let go of it when nothing is left of it, else look at it when it is due."""
        if not group.members:
            self._groups.pop(group.key, None)
        elif group.due_s != group.queued_s:
            group.queued_s = group.due_s
            heapq.heappush(self._queue, (group.due_s, group.key))

    def _due(self) -> list[Group]:
        """Groups whose time has come, as many as fit into one transaction."""
        now_s = self._clock.monotonic_s()
        found: dict[Key, Group] = {}
        while self._queue and self._queue[0][0] <= now_s and len(found) < limits.ALERT_GROUPS_TOLD:
            due_s, key = heapq.heappop(self._queue)
            group = self._groups.get(key)
            if group and group.due_s == due_s:
                group.queued_s = math.inf
                found[key] = group
        return list(found.values())

    async def _tell(self, due: list[Group]) -> None:
        """All in one transaction; each receiver in its own where one of them has no room left."""
        now_s, wall_ns = self._clock.monotonic_s(), self._clock.wall_ns()
        news: list[tuple[Group, News]] = []
        for group in due:
            if found := self._news(group, now_s, wall_ns):
                news.append((group, found))
            else:
                group.rest(now_s)
        try:
            await self._keep(news, now_s, wall_ns)
        except StoreError:
            apart = _by_receiver(news)
            if len(apart) < 2:
                raise
            for some in apart:
                with contextlib.suppress(StoreError):
                    await self._keep(some, now_s, wall_ns)
            late = [group for group, _ in news if group.due_s <= now_s]
            if len(late) == len(news):
                raise
            for group in late:
                group.due_s = now_s + _NO_ROOM_S

    async def _keep(self, news: list[tuple[Group, News]], now_s: float, wall_ns: int) -> None:
        notices = [one for group, found in news for one in self._notices(group, found, wall_ns)]
        told = [_told(group, found, wall_ns) for group, found in news]
        gone = {**self._gone, **self._over(news)}
        if told or gone:
            await self._store.tell(told, notices, list(gone.values()))
        self._gone.clear()
        if fresh := [one for group, found in news for one in group.fresh(found)]:
            self._first_told(fresh, wall_ns)
        for (group, found), one in zip(news, told, strict=True):
            group.heard(found, now_s, one.at_ns)
        for key in gone:
            self._known.pop(key, None)
        if gone:
            self._forgotten(list(gone.values()))
        if notices:
            self._made()

    def _news(self, group: Group, now_s: float, wall_ns: int) -> News | None:
        def muted(member: Member) -> bool:
            tenant, labels = member.alert.tenant, member.labels
            return self._silences.silences(tenant, labels, wall_ns) or self._inhibition.inhibits(
                tenant, labels
            )

        return group.news(now_s, muted if group.route.mutes else lambda member: False)

    def _notices(self, group: Group, news: News, wall_ns: int) -> Iterator[Notice]:
        tenant, receiver, name = group.key
        parts = [(news.firing, news.resolved)] if news.resolved or not news.unheard else []
        if news.unheard:
            parts.insert(0, ((*news.firing, *map(_fires, news.unheard)), ()))
        for firing, resolved in parts:
            replaceable = not news.resolved and not news.unheard
            for body in messages.bodies(
                group.key, group.labels, firing, resolved, self._external_url
            ):
                yield Notice(
                    0, tenant, receiver, name, body, wall_ns, wall_ns, replaceable=replaceable
                )

    def _over(self, news: list[tuple[Group, News]]) -> dict[AlertKey, Alert]:
        """Resolved alerts that no group will hold any more."""
        telling = {group.key for group, _ in news}
        found = {}
        for group, _ in news:
            for key, member in group.members.items():
                if member.alert.phase is Phase.RESOLVED and all(
                    place in telling or key not in self._groups[place].members
                    for place in member.places
                    if place in self._groups
                ):
                    found[key] = member.alert
        return found


def _fires(alert: Alert) -> Alert:
    """As it was before it ended."""
    return msgspec.structs.replace(alert, phase=Phase.FIRING, left_ns=0, ended_ns=0)


def _by_receiver(news: list[tuple[Group, News]]) -> list[list[tuple[Group, News]]]:
    """The bounds of the outbox are of a tenant and receiver."""
    found: dict[tuple[str, str], list[tuple[Group, News]]] = {}
    for group, one in news:
        found.setdefault(group.key[:2], []).append((group, one))
    return list(found.values())


def _told(group: Group, news: News, wall_ns: int) -> Told:
    at_ns = group.told_ns if news.empty else wall_ns
    tenant, receiver, name = group.key
    firing, resolved = sorted(news.firing_marks), sorted(news.resolved_marks)
    return Told(tenant, receiver, name, at_ns, tuple(firing), tuple(resolved))
