"""Evaluates groups of rules at their slots, and keeps what comes of it before anybody is told.

A group whose turn comes late is evaluated as of its slots nevertheless (see turn.py). A rule that
fails stays as it is, says so, and is evaluated at the slots it missed when it works again. When the
wall clock is set, every time that an alert remembers is moved with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from msgspec.structs import replace as replace_fields

from tailrace.alerts.evaluation import state
from tailrace.alerts.evaluation.expression import Asker
from tailrace.alerts.evaluation.jumps import Jumps
from tailrace.alerts.evaluation.leaving import let_go
from tailrace.alerts.evaluation.slots import after, slot_at
from tailrace.alerts.evaluation.state import Owner
from tailrace.alerts.evaluation.turn import Describe, Standing, evaluated, took_too_long
from tailrace.alerts.rule import Group, rule_id
from tailrace.core import limits
from tailrace.core.alerting import Alert, AlertStore, Evaluated, Phase
from tailrace.core.clock import Clock
from tailrace.core.errors import StoreError, TailraceError
from tailrace.core.log import get
from tailrace.core.metrics import Metrics
from tailrace.query.matrix.matrix import Matrix

_log = get("alerts")
# Sleeps are no longer, so that a clock that was set is noticed soon.
_LOOK_S = 1.0


class Recorder(Protocol):
    """Who keeps the series that a recording rule gives at the slots of `Evaluated`."""

    async def record(
        self, group: Group, owner: Owner, found: Matrix, last_slot_ns: int
    ) -> None: ...


class Kept(Protocol):
    """Who hears of each group that was evaluated, once what came of it is durable: how its rules
    stood before, and how they stand now. It must not block."""

    def __call__(
        self,
        group: Group,
        owners: Sequence[Owner],
        before: Sequence[Standing],
        after: Sequence[Standing],
    ) -> None: ...


class Watcher(Protocol):
    """Who hears what a rule gave at its slots up to the last one, in time or later; `settled`:
    whether the store had what came before them. It must not block."""

    def gave(
        self, group: Group, owner: Owner, found: Matrix, last_slot_ns: int, settled: bool
    ) -> None: ...


class Settled(Protocol):
    """Waits until what is durable now can be asked for; False when it cannot after `timeout_s`."""

    def __call__(self, timeout_s: float) -> Awaitable[bool]: ...


async def at_once(timeout_s: float) -> bool:
    """A Settled where everything can be asked for at any time."""
    return True


class Stands(NamedTuple):
    """A group; of each rule whose alerts they are, how they stand, and its last evaluation."""

    group: Group
    owners: Sequence[Owner]
    standing: Sequence[Standing]
    last: Sequence[Evaluated]


@dataclass
class _Running:
    """A group and how its rules stand. `moved_ns`: by how much that was moved with the clock, of
    which the store knows `kept_moved_ns`."""

    group: Group
    owners: Sequence[Owner]
    standing: list[Standing]
    last: list[Evaluated] = field(default_factory=list)
    slot_ns: int = 0
    busy: bool = False
    moved_ns: int = 0
    kept_moved_ns: int = 0


class _Came(NamedTuple):
    """What came of the rule at `place` of its group."""

    place: int
    before: Standing
    after: Standing
    said: Evaluated

    @property
    def new(self) -> int:
        """How many alerts there were not before."""
        return len(self.after.alerts.keys() - self.before.alerts.keys())

    def changed(self, whole: bool) -> list[Alert]:
        """Alerts that are to be kept: all where `whole`, else those that differ."""
        before = {} if whole else self.before.alerts
        return [
            alert
            for labels, alert in self.after.alerts.items()
            if state.differs(before.get(labels), alert)
        ]


class Evaluator:
    """`open`, then `run` until it is cancelled. `changed` is called with alerts that fire, are
    resolved or are pending again, and are otherwise now, be it their value, once they are durable;
    it must not block."""

    def __init__(
        self,
        store: AlertStore,
        ask: Asker,
        describe: Describe,
        recorder: Recorder,
        changed: Callable[[Sequence[Alert]], None],
        clock: Clock,
        metrics: Metrics,
        delay_s: float = limits.RULE_DELAY_S,
        kept: Kept | None = None,
        settled: Settled = at_once,
        watcher: Watcher | None = None,
    ) -> None:
        """A slot is due `delay_s` after its time, when what came in before it is durable, and is
        evaluated when that is `settled`."""
        self._store = store
        self._ask = ask
        self._describe = describe
        self._recorder = recorder
        self._changed = changed
        self._clock = clock
        self._metrics = metrics
        self._delay_ns = int(delay_s * 1e9)
        self._kept = kept
        self._settled = settled
        self._watcher = watcher
        self._running: dict[tuple[str, str, str], _Running] = {}
        self._turns = asyncio.Semaphore(limits.RULE_GROUPS_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        # What a turn gives is kept whole before other rules are loaded, or not at all.
        self._keeping = asyncio.Lock()
        self._jumps = Jumps(clock)

    async def open(
        self,
        groups: Iterable[Group],
        kept_by_others: Callable[[str, str], bool] = lambda tenant, rule: False,
    ) -> None:
        """Go on where the last evaluations were. A rule that is no more is forgotten, unless it is
        `kept_by_others`, who know it by tenant and id. Raises StoreError."""
        kept = await self._stored()
        last = {(one.tenant, one.rule): one for one in await self._store.evaluations()}
        for group in groups:
            one = self._running[group.key] = _running(group, kept, last)
            ahead_ns = max((s.slot_ns for s in one.standing), default=0) - self._clock.wall_ns()
            if ahead_ns > 0:
                # The clock was set back while nothing ran.
                _shift(one, -ahead_ns)
        known = {key for key in set(kept) | set(last) if not kept_by_others(*key)}
        await self._forget(kept, known)

    async def _stored(self) -> dict[tuple[str, str], list[Alert]]:
        """All alerts, by tenant and rule."""
        kept: dict[tuple[str, str], list[Alert]] = {}
        for alert in await self._store.alerts():
            kept.setdefault((alert.tenant, alert.rule), []).append(alert)
        return kept

    async def _forget(
        self, alerts: Mapping[tuple[str, str], Sequence[Alert]], known: set[tuple[str, str]]
    ) -> None:
        """Rules that are no more, see `leaving`."""
        there = {(o.tenant, o.rule_id) for one in self._running.values() for o in one.owners}
        now_ns = self._clock.wall_ns()
        for tenant, rule in sorted(known - there):
            its = alerts.get((tenant, rule), ())
            if ended := await let_go(self._store, tenant, rule, its, now_ns):
                self._changed(ended)

    async def load(self, groups: Iterable[Group]) -> None:
        """Other rules from here on; those that stay go on as they were. Of a group that is another
        one now, the turn that it is in comes to nothing. Raises StoreError."""
        async with self._keeping:
            # Of a rule that was gone and is back, the end may not have been told yet.
            kept = await self._stored()
            before = {
                (o.tenant, o.rule_id): (standing, last)
                for one in self._running.values()
                for o, standing, last in zip(one.owners, one.standing, one.last, strict=True)
            }
            kept |= {key: list(standing.alerts.values()) for key, (standing, _) in before.items()}
            last = {key: one for key, (_, one) in before.items()}
            same = {one.group: one for one in self._running.values()}
            self._running = {
                group.key: same.get(group) or _running(group, kept, last) for group in groups
            }
            await self._forget(kept, set(before))

    def stands(self) -> list[Stands]:
        """How all groups stand."""
        return [
            Stands(one.group, one.owners, list(one.standing), list(one.last))
            for one in self._running.values()
        ]

    async def run(self) -> None:
        """Evaluate what is due, until it is cancelled."""
        try:
            while True:
                self._begin()
                await asyncio.sleep(min(_LOOK_S, self._idle_s()))
        finally:
            for turn in self._tasks:
                turn.cancel()

    async def look(self) -> None:
        """Evaluate what is due now, and wait for it."""
        self._begin()
        await asyncio.gather(*self._tasks)

    def _begin(self) -> None:
        """A turn for each group that is due, without waiting for any."""
        self._look_at_the_clock()
        for one in self._due():
            one.busy = True
            turn = asyncio.create_task(self._turn(one))
            self._tasks.add(turn)
            turn.add_done_callback(self._tasks.discard)

    def _due(self) -> list[_Running]:
        """In the order of their slots: what those of the same slots read is kept for a while."""
        due = [(self._slot(one.group), one) for one in self._running.values() if not one.busy]
        due.sort(key=lambda pair: pair[0])
        return [one for slot_ns, one in due if slot_ns > one.slot_ns]

    def _slot(self, group: Group) -> int:
        """The last one that can be evaluated."""
        return slot_at(group, self._clock.wall_ns() - self._delay_ns)

    def _idle_s(self) -> float:
        """Until the next slot of any group."""
        now_ns = self._clock.wall_ns() - self._delay_ns
        waits = (after(one.group, self._slot(one.group)) - now_ns for one in self._running.values())
        return max(0.0, min(waits, default=int(_LOOK_S * 1e9)) / 1e9)

    async def _turn(self, one: _Running) -> None:
        slot_ns, moved_ns = self._slot(one.group), one.moved_ns
        try:
            settled = await self._settled(limits.RULE_SETTLE_S)
            self._metrics.add("tailrace_rule_unsettled_total", not settled)
            async with self._turns:
                await self._evaluate(one, slot_ns + one.moved_ns - moved_ns, settled)
        except Exception:  # what nobody foresaw in one group must not stop the others
            self._metrics.add("tailrace_rule_failures_total", label="group")
            _log.exception("a group could not be evaluated", extra={"group": one.group.name})
        finally:
            one.busy = False

    async def _evaluate(self, one: _Running, slot_ns: int, settled: bool) -> None:
        """All rules of a group, in their order; then keep it, then tell it."""
        began_s, moved_ns = self._clock.monotonic_s(), one.moved_ns
        came: list[_Came] = []
        for place, (owner, before) in enumerate(zip(one.owners, list(one.standing), strict=True)):
            standing, said = await self._rule(one.group, owner, before, slot_ns, settled)
            came.append(_Came(place, before, standing, said))
            await asyncio.sleep(0)  # what was read for others needs no wait, and there are many
        one.slot_ns = slot_ns + one.moved_ns - moved_ns
        async with self._keeping:
            if self._running.get(one.group.key) is not one:
                return  # its rules are evaluated at these slots again, from how they stood
            try:
                kept = await self._keep(came, whole=moved_ns != one.kept_moved_ns)
            except TailraceError as error:
                # Nothing is told that is not kept: the same slots are evaluated again.
                self._metrics.add("tailrace_rule_failures_total", len(came), "store")
                _log.error(
                    "evaluations cannot be kept", extra={"group": one.group.name, "why": str(error)}
                )
                return
            one.kept_moved_ns = moved_ns
            for rule in kept:
                now = one.standing[rule.place]
                one.standing[rule.place] = _meanwhile(rule, now, one.moved_ns - moved_ns)
                one.last[rule.place] = rule.said
        self._metrics.add("tailrace_rule_evaluations_total", len(came))
        self._metrics.set("tailrace_rule_lag_seconds", (self._clock.wall_ns() - slot_ns) / 1e9)
        self._metrics.add("tailrace_rule_seconds_total", self._clock.monotonic_s() - began_s)
        if news := [alert for rule in kept for alert in _news(rule.before, rule.after)]:
            self._changed(news)
        if self._kept:
            self._kept(one.group, one.owners, [r.before for r in kept], [r.after for r in kept])

    async def _keep(self, came: Sequence[_Came], whole: bool) -> list[_Came]:
        """Keep what came of the rules of a group, `whole` or what differs. Where that is refused,
        those with new alerts are kept one by one, the fewest first: one that has too many stays as
        it was, and says why. Raises StoreError where that is not the reason."""
        try:
            await self._write(came, whole)
        except StoreError:
            grown = sorted((rule for rule in came if rule.new), key=lambda rule: rule.new)
            if not grown:
                raise
            others = [rule for rule in came if not rule.new]
            await self._write(others, whole)  # though there are none: whether it can be asked
            apart = [await self._keep_alone(rule, whole) for rule in grown]
            return sorted(others + apart, key=lambda rule: rule.place)
        return list(came)

    async def _keep_alone(self, rule: _Came, whole: bool) -> _Came:
        try:
            await self._write([rule], whole)
        except StoreError as error:
            self._metrics.add("tailrace_rule_failures_total", label="store")
            _log.error("alerts cannot be kept", extra={"why": str(error)})
            said = replace_fields(rule.said, slot_ns=rule.before.slot_ns, error=str(error))
            return rule._replace(after=rule.before, said=said)
        return rule

    async def _write(self, came: Sequence[_Came], whole: bool) -> None:
        """In one transaction. Raises StoreError."""
        changed = [alert for rule in came for alert in rule.changed(whole)]
        gone = [alert for rule in came for alert in _gone(rule.before, rule.after)]
        await self._store.evaluated([rule.said for rule in came], changed, gone)

    async def _rule(
        self, group: Group, owner: Owner, before: Standing, slot_ns: int, settled: bool
    ) -> tuple[Standing, Evaluated]:
        began_s = self._clock.monotonic_s()
        standing, error = before, ""
        try:
            async with asyncio.timeout(group.interval_ns / 1e9):
                standing, found = await evaluated(
                    owner, group, before, slot_ns, self._ask, self._describe
                )
                if owner.rule.record:
                    await self._recorder.record(group, owner, found, standing.slot_ns)
                if self._watcher:
                    self._watcher.gave(group, owner, found, standing.slot_ns, settled)
        except (TailraceError, TimeoutError) as failed:
            standing, error = before, str(failed) or "it took longer than the interval of its group"
            if isinstance(failed, TimeoutError):
                standing = took_too_long(group, before, slot_ns)
            self._metrics.add("tailrace_rule_failures_total", label="expression")
        took_s = self._clock.monotonic_s() - began_s
        missed = standing.missed - before.missed
        if missed:
            self._metrics.add("tailrace_rule_missed_total", missed)
        if before.slot_ns and standing is not before:
            slots = (standing.slot_ns - before.slot_ns) // group.interval_ns - missed
            self._metrics.add("tailrace_rule_late_total", slots - (standing.slot_ns == slot_ns))
        said = Evaluated(
            owner.tenant, owner.rule_id, standing.slot_ns, took_s, error, standing.missed
        )
        return standing, said

    def told(self, alerts: Sequence[Alert]) -> None:
        """Resolved alerts that everybody was told of, and that are no more in the store."""
        gone: dict[tuple[str, str], list[Alert]] = {}
        for alert in alerts:
            gone.setdefault((alert.tenant, alert.rule), []).append(alert)
        for one in self._running.values():
            for place, owner in enumerate(one.owners):
                if its := gone.get((owner.tenant, owner.rule_id)):
                    one.standing[place] = _without(one.standing[place], its)

    def _look_at_the_clock(self) -> None:
        """Move what is remembered when the wall clock was set."""
        by_ns = self._jumps.by_ns()
        if not by_ns:
            return
        _log.warning(
            "the clock was set; alerts go on as if it had not been", extra={"s": by_ns / 1e9}
        )
        self._metrics.add("tailrace_rule_clock_jumps_total")
        for one in self._running.values():
            _shift(one, by_ns)


def _running(
    group: Group,
    kept: Mapping[tuple[str, str], list[Alert]],
    last: Mapping[tuple[str, str], Evaluated],
) -> _Running:
    owners = [
        Owner(group.tenant, rule_id(group, place), rule) for place, rule in enumerate(group.rules)
    ]
    standing, evaluations = [], []
    for owner in owners:
        key = (owner.tenant, owner.rule_id)
        alerts = {alert.labels: alert for alert in kept.get(key, ())}
        said = last.get(key, Evaluated(owner.tenant, owner.rule_id, 0))
        # Slots of before are not those of a group whose interval is another one now.
        slot_ns = slot_at(group, said.slot_ns) if said.slot_ns else 0
        standing.append(Standing(alerts, slot_ns, said.missed))
        evaluations.append(said)
    return _Running(group, owners, standing, evaluations)


def _shift(one: _Running, by_ns: int) -> None:
    """By whole intervals, so that slots stay slots."""
    by = by_ns // one.group.interval_ns * one.group.interval_ns
    one.moved_ns += by
    one.slot_ns += by if one.slot_ns else 0
    one.standing = [_moved(standing, by) for standing in one.standing]


def _moved(standing: Standing, by_ns: int) -> Standing:
    alerts = {labels: state.moved(alert, by_ns) for labels, alert in standing.alerts.items()}
    slot_ns = standing.slot_ns + by_ns if standing.slot_ns else 0
    return replace(standing, alerts=alerts, slot_ns=slot_ns)


def _without(standing: Standing, gone: Sequence[Alert]) -> Standing:
    """Unless their condition held again meanwhile. Those who told them may know other times, from
    before the clock was set."""
    labels = {one.labels for one in gone}
    alerts = {
        k: one
        for k, one in standing.alerts.items()
        if k not in labels or one.phase is not Phase.RESOLVED
    }
    return replace(standing, alerts=alerts)


def _meanwhile(rule: _Came, now: Standing, by_ns: int) -> Standing:
    """How it stands after its turn, in which alerts were let go, which `now` has no more, and the
    clock was set by so much."""
    gone = rule.before.alerts.keys() - now.alerts.keys()
    alerts = {
        labels: alert
        for labels, alert in rule.after.alerts.items()
        if labels not in gone or alert != rule.before.alerts[labels]
    }
    return _moved(replace(rule.after, alerts=alerts), by_ns)


def _news(before: Standing, after: Standing) -> list[Alert]:
    return [
        alert
        for labels, alert in after.alerts.items()
        if _is_news(before.alerts.get(labels), alert)
    ]


def _is_news(before: Alert | None, alert: Alert) -> bool:
    """Of one that is pending it is news that it is so again."""
    if alert.phase is not Phase.PENDING:
        return alert != before
    known = before and before.phase is Phase.PENDING and before.fired_ns == alert.fired_ns
    return bool(alert.ended_ns) and not known


def _gone(before: Standing, after: Standing) -> list[Alert]:
    return [alert for labels, alert in before.alerts.items() if labels not in after.alerts]
