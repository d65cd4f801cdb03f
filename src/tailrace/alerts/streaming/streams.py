"""All rules that watch lines: begun and ended as groups are loaded, kept before anybody is told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tailrace.alerts.evaluation.evaluator import Stands
from tailrace.alerts.evaluation.jumps import Jumps
from tailrace.alerts.evaluation.leaving import let_go
from tailrace.alerts.evaluation.state import Owner
from tailrace.alerts.evaluation.turn import Describe, Standing
from tailrace.alerts.rule import Group, rule_id
from tailrace.alerts.streaming.stream import Stream
from tailrace.alerts.streaming.watch import Watch
from tailrace.core import limits, log
from tailrace.core.alerting import Alert, AlertStore, Evaluated, Labels
from tailrace.core.errors import StoreError
from tailrace.core.metrics import Metrics
from tailrace.query.logs.logs import Logs
from tailrace.query.tail.hub import Hub
from tailrace.query.times import SECOND_NS

_log = log.get("alerts")
LOOK_S = 1.0
# How often all of it is kept, not only what fires or is resolved.
KEEP_S = 15.0
# What is durable was looked at so long after, at most, where nothing was missed.
LOOKED_AT_NS = 10 * SECOND_NS
# Watches that ask the store at the same time.
ASKING_AT_ONCE = 2
_Key = tuple[str, str]  # tenant, rule


@dataclass
class _Watched:
    stream: Stream
    task: asyncio.Task[None]


class Streams:
    """`open`, then `run` until it is cancelled. `changed` as of Evaluator."""

    def __init__(
        self,
        store: AlertStore,
        logs: Logs,
        hub: Hub,
        describe: Describe,
        changed: Callable[[Sequence[Alert]], None],
        metrics: Metrics,
    ) -> None:
        """`hub` is for these rules alone: people who follow lines take no place from them."""
        self._store = store
        self._logs = logs
        self._hub = hub
        self._describe = describe
        self._changed = changed
        self._clock = logs.service.clock
        self._metrics = metrics
        self._turns = asyncio.Semaphore(ASKING_AT_ONCE)
        self._opened = False
        self._watched: dict[_Key, _Watched] = {}
        self._refused: dict[_Key, tuple[Group, Owner]] = {}
        self._keeping = asyncio.Lock()
        self._kept_s = self._clock.monotonic_s()
        self._jumps = Jumps(self._clock)

    def owns(self, tenant: str, rule: str) -> bool:
        """Whether it is one of these."""
        return (tenant, rule) in self._watched or (tenant, rule) in self._refused

    async def open(self, groups: Iterable[Group]) -> None:
        """Go on with what is kept. Raises StoreError."""
        kept: dict[_Key, dict[Labels, Alert]] = {}
        for alert in await self._store.alerts():
            kept.setdefault((alert.tenant, alert.rule), {})[alert.labels] = alert
        last = {(one.tenant, one.rule): one.slot_ns for one in await self._store.evaluations()}
        self._end()
        self._opened = True
        self._begin(groups, kept, last)

    async def load(self, groups: Iterable[Group]) -> None:
        """Other rules from here on; those that stay go on as they were. Nothing where it is not
        open. Raises StoreError."""
        if not self._opened:
            return
        before = {key: one.stream for key, one in self._watched.items()}
        kept = {key: one.alerts for key, one in before.items()}
        last = {key: self._said(one).slot_ns for key, one in before.items()}
        self._begin(groups, kept, last)
        now_ns = self._clock.wall_ns()
        for key in sorted(before.keys() - self._watched.keys()):
            if ended := await let_go(self._store, *key, before[key].alerts.values(), now_ns):
                self._changed(ended)

    def _begin(
        self, groups: Iterable[Group], kept: dict[_Key, dict[Labels, Alert]], last: dict[_Key, int]
    ) -> None:
        before, self._watched, self._refused = self._watched, {}, {}
        numbers: Counter[str] = Counter()
        for group in groups:
            for place, rule in enumerate(group.rules):
                owner = Owner(group.tenant, rule_id(group, place), rule)
                key = (owner.tenant, owner.rule_id)
                numbers[group.tenant] += 1
                if (
                    numbers[group.tenant] > limits.STREAM_RULES_PER_TENANT
                    or numbers.total() > limits.TAIL_QUERIES
                ):
                    self._refused[key] = (group, owner)
                    continue
                same = before.get(key)
                if same and same.stream.is_of(group, owner):
                    same.stream.group = group
                    self._watched[key] = before.pop(key)
                    continue
                stream = Stream(group, owner, self._describe, kept.get(key, {}), last.get(key, 0))
                self._watched[key] = _Watched(stream, asyncio.create_task(self._watch(stream)))
        for one in before.values():
            one.task.cancel()
        self._metrics.set("tailrace_stream_rules", len(self._watched))

    async def _watch(self, stream: Stream) -> None:
        watch = Watch(stream, self._logs, self._hub, self._metrics, self._keep_changed, self._turns)
        await watch.run()

    def _end(self) -> None:
        for one in self._watched.values():
            one.task.cancel()
        self._watched, self._opened = {}, False

    async def run(self) -> None:
        """Resolve and keep, until it is cancelled; then nothing is watched any more."""
        try:
            while True:
                await self.look()
                await asyncio.sleep(LOOK_S)
        finally:
            self._end()

    async def look(self) -> None:
        """Resolve what is over, and keep what is otherwise."""
        self._look_at_the_clock()
        now_ns, streams = self._clock.wall_ns(), self._streams()
        for stream in streams:
            stream.look(now_ns)
        whole = self._clock.monotonic_s() - self._kept_s >= KEEP_S
        if not whole:
            await self._keep([stream for stream in streams if stream.news(False)], False)
            return
        self._kept_s = self._clock.monotonic_s()
        for stream in streams:
            await stream.describe(now_ns)
        await self._keep(streams, True)

    def _streams(self) -> list[Stream]:
        return [one.stream for one in self._watched.values()]

    async def _keep_changed(self, stream: Stream) -> None:
        """What a new rule has seen since is asked for after a kill, so that it began is kept."""
        if stream.news(False) or not stream.begun:
            await self._keep([stream], False)

    async def _keep(self, streams: Sequence[Stream], whole: bool) -> None:
        """Keep them, in one transaction where that can be."""
        async with self._keeping:
            try:
                await self._keep_these(streams, whole)
            except StoreError:
                for stream in streams:
                    await self._keep_one(stream, whole)

    async def _keep_one(self, stream: Stream, whole: bool) -> None:
        try:
            await self._keep_these([stream], whole)
        except StoreError as error:
            # Nothing is told that is not kept; the next look tries again.
            stream.error = str(error)
            self._metrics.add("tailrace_rule_failures_total", label="store")
            name = stream.owner.rule.name
            _log.error("alerts cannot be kept", extra={"rule": name, "why": str(error)})

    async def _keep_these(self, streams: Sequence[Stream], whole: bool) -> None:
        """Raises StoreError."""
        if not streams:
            return
        news = {id(stream): stream.news(whole) for stream in streams}
        changed = [alert for found in news.values() for alert in found]
        await self._store.evaluated([self._said(one) for one in streams], changed, [])
        for stream in streams:
            stream.begun = True
            stream.kept |= {alert.labels: alert for alert in news[id(stream)]}
        if changed:
            self._changed(changed)

    def _said(self, stream: Stream) -> Evaluated:
        """Up to when it is known that nothing was missed."""
        upto_ns = stream.complete_ns
        if upto_ns and not stream.behind:
            upto_ns = max(upto_ns, self._clock.wall_ns() - LOOKED_AT_NS)
        owner = stream.owner
        return Evaluated(owner.tenant, owner.rule_id, upto_ns, error=stream.trouble)

    def stands(self) -> list[Stands]:
        """How they stand, as those do that are evaluated."""
        found: dict[tuple[str, str, str], Stands] = {}
        for stream in self._streams():
            said = self._said(stream)
            one = Stands(
                stream.group, [stream.owner], [Standing(dict(stream.alerts), said.slot_ns)], [said]
            )
            found[one.group.key] = joined(found.get(one.group.key), one)
        for group, owner in self._refused.values():
            most = limits.STREAM_RULES_PER_TENANT
            error = f"more than {most} rules with a stream (STREAM_RULES_PER_TENANT)"
            said = Evaluated(owner.tenant, owner.rule_id, 0, error=error)
            one = Stands(group, [owner], [Standing({})], [said])
            found[group.key] = joined(found.get(group.key), one)
        return list(found.values())

    def told(self, alerts: Sequence[Alert]) -> None:
        """Resolved alerts that everybody was told of, and that are no more in the store."""
        for alert in alerts:
            if one := self._watched.get((alert.tenant, alert.rule)):
                one.stream.told(alert)

    def _look_at_the_clock(self) -> None:
        """Move what is remembered when the wall clock was set."""
        if by_ns := self._jumps.by_ns():
            for stream in self._streams():
                stream.move(by_ns)


def joined(one: Stands | None, other: Stands) -> Stands:
    """Rules of one group that stand apart."""
    if one is None:
        return other
    return Stands(
        other.group,
        [*one.owners, *other.owners],
        [*one.standing, *other.standing],
        [*one.last, *other.last],
    )
