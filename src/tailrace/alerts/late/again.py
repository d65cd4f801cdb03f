"""Evaluates rules again at slots whose windows late rows came into, once, and says what differs.

Nobody is told of an alert that would have fired: it is over, or the next evaluations see it. What
differs is in the log, in metrics, of which a built-in rule is made, and in the answer of the API.

What rules gave is kept in memory. So what was said before a restart is not compared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from tailrace.alerts.evaluation.evaluator import Settled, Stands
from tailrace.alerts.evaluation.expression import Asker
from tailrace.alerts.evaluation.jumps import Jumps
from tailrace.alerts.evaluation.state import Owner
from tailrace.alerts.late.arrivals import Arrivals, Taken
from tailrace.alerts.late.difference import Difference, difference, given
from tailrace.alerts.late.memory import Memory, RuleKey
from tailrace.alerts.late.reads import Reads, reads, touched
from tailrace.alerts.late.touched import Span, Touched, merged
from tailrace.alerts.rule import Group
from tailrace.core import limits
from tailrace.core.clock import Clock
from tailrace.core.errors import TailraceError
from tailrace.core.frame import Signal
from tailrace.core.log import get
from tailrace.core.metrics import Metrics
from tailrace.query.late import Late
from tailrace.query.matrix.matrix import Matrix
from tailrace.query.plan import Grid

_log = get("alerts")
_LOOK_S = 1.0


class Asks(Protocol):
    """Who knows late rows, see LateRows."""

    async def of(
        self, signal: Signal, tenant: str, taken_ns: tuple[int, int], since_ns: int
    ) -> list[Late]: ...


@dataclass(frozen=True)
class Report:
    """When a rule was last evaluated again, at slots from the first to the last one, and what
    differs; or why it could not be."""

    at_ns: int
    first_ns: int
    last_ns: int
    difference: Difference
    error: str = ""


class _Known(NamedTuple):
    group: Group
    owner: Owner
    reads: Sequence[Reads]


class Again:
    """A Watcher of evaluations. `arrivals` is to hear of what is stored. Used from one event
    loop."""

    def __init__(
        self,
        rows: Asks,
        ask: Asker,
        stands: Callable[[], Iterable[Stands]],
        settled: Settled,
        clock: Clock,
        metrics: Metrics,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.arrivals = Arrivals(clock)
        self._rows = rows
        self._ask = ask
        self._stands = stands
        self._settled = settled
        self._clock = clock
        self._metrics = metrics
        self._sleep = sleep
        self._memory = Memory()
        self._touched = Touched()
        self._jumps = Jumps(clock)
        self._reports: dict[RuleKey, Report] = {}
        self._groups: tuple[Group, ...] = ()
        self._known: Mapping[RuleKey, _Known] = {}

    def gave(
        self, group: Group, owner: Owner, found: Matrix, last_slot_ns: int, settled: bool
    ) -> None:
        """See Watcher."""
        key, step_ns = (owner.tenant, owner.rule_id), group.interval_ns
        first_ns = last_slot_ns - (found.steps - 1) * step_ns
        each, _ = given(owner.rule, found)
        self._memory.put(key, first_ns, step_ns, each)
        if not settled:
            self._touched.touch(key, [(first_ns, last_slot_ns)], self._clock.monotonic_s())

    def report(self, tenant: str, rule_id: str) -> Report | None:
        """The last one of a rule."""
        return self._reports.get((tenant, rule_id))

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await self.look()
            except Exception:  # what nobody foresaw must not end it for good
                _log.exception("late rows could not be looked at")
            await self._sleep(_LOOK_S)

    async def look(self) -> None:
        """Ask for late rows where some came, and evaluate what is due."""
        if self._jumps.by_ns():
            for one in (self._memory, self._touched, self.arrivals):
                one.clear()
        self._metrics.set("tailrace_rule_said_bytes", self._memory.bytes)
        if taken := self.arrivals.take():
            self._load()
            await self._taken(taken)
        if due := self._touched.due(self._clock.monotonic_s()):
            self._load()
            await self._due(due)

    def _load(self) -> None:
        """The rules as they are now."""
        stands = list(self._stands())
        groups = tuple(one.group for one in stands)
        if groups == self._groups:
            return
        self._groups = groups
        self._known = {
            (owner.tenant, owner.rule_id): _Known(one.group, owner, reads(owner.rule))
            for one in stands
            for owner in one.owners
        }
        self._memory.retain(self._known)
        self._touched.retain(self._known)
        self._reports = {key: one for key, one in self._reports.items() if key in self._known}

    async def _taken(self, taken: Sequence[Taken]) -> None:
        settled = await self._settled(limits.RULE_SETTLE_S)
        for one in taken:
            try:
                if not settled:
                    raise TimeoutError("the store is behind")
                late = await self._rows.of(
                    one.signal, one.tenant, (one.from_ns, one.until_ns), one.first_ns
                )
            except (TailraceError, TimeoutError) as error:
                _log.warning("late rows cannot be asked for", extra={"why": str(error)})
                self.arrivals.again(one)
                continue
            self.arrivals.asked(one)
            self._touch(one, late)

    def _touch(self, taken: Taken, late: Sequence[Late]) -> None:
        """All slots that may have read the rows; with more rows than are told, all since the
        first."""
        buckets: dict[str, list[int]] = {}
        for row in late:
            buckets.setdefault(row.name, []).append(row.first_ns)
        whole = len(late) >= limits.RULE_LATE_ROWS
        now_s = self._clock.monotonic_s()
        for key, known in self._known.items():
            if key[0] != taken.tenant:
                continue
            its = [one for one in known.reads if one.signal is taken.signal]
            if whole:
                spans = [(taken.first_ns - one.last_ns, taken.until_ns) for one in its]
            else:
                spans = [span for one in its for span in touched(one, buckets)]
            step_ns = known.group.interval_ns
            for first_ns, last_ns in spans:
                self._touched.touch(key, self._memory.open(key, first_ns, last_ns, step_ns), now_s)

    async def _due(self, due: Mapping[RuleKey, Sequence[Span]]) -> None:
        if not await self._settled(limits.RULE_SETTLE_S):
            for key, spans in due.items():
                self._touched.touch(key, spans, self._clock.monotonic_s())
            return
        found = [
            report
            for key, spans in due.items()
            if (known := self._known.get(key)) and (report := await self._again(key, known, spans))
        ]
        self._tell(found)

    async def _again(self, key: RuleKey, known: _Known, spans: Sequence[Span]) -> Report | None:
        """Of one rule all slots that were not evaluated again yet."""
        step_ns = known.group.interval_ns
        report: Report | None = None
        open_ones = [one for span in spans for one in self._memory.open(key, *span, step_ns)]
        for first_ns, last_ns in merged(open_ones, step_ns):
            report = _joined(report, await self._asked(key, known, first_ns, last_ns))
        if report is not None:
            self._reports[key] = report
        return report

    async def _asked(self, key: RuleKey, known: _Known, first_ns: int, last_ns: int) -> Report:
        group, owner = known.group, known.owner
        step_ns = group.interval_ns
        began_s = self._clock.monotonic_s()
        grid = Grid(first_ns - owner.rule.offset_ns, step_ns, (last_ns - first_ns) // step_ns + 1)
        told, error = Difference(), ""
        try:
            async with asyncio.timeout(step_ns / 1e9):
                found = await self._ask.value(owner.rule, owner.tenant, grid)
        except (TailraceError, TimeoutError) as failed:
            error = str(failed) or "it took longer than the interval of its group"
        else:
            before = list(self._memory.runs(key))
            each, named = given(owner.rule, found)
            self._memory.put(key, first_ns, step_ns, each, again=True)
            told = difference(owner.rule, before, self._memory.runs(key), step_ns, named)
            last_ns = first_ns + (found.steps - 1) * step_ns
        took_s = self._clock.monotonic_s() - began_s
        await self._sleep(took_s * (1 / limits.RULE_LATE_SHARE - 1))
        slots = 0 if error else (last_ns - first_ns) // step_ns + 1
        return Report(self._clock.wall_ns(), first_ns, last_ns, told.of(slots), error)

    def _tell(self, found: Sequence[Report]) -> None:
        """What came of some rules, in metrics and the log."""
        total = Difference()
        for one in found:
            total = total.joined(one.difference)
        failed = sum(1 for one in found if one.error)
        self._metrics.add("tailrace_rule_late_slots_total", total.slots)
        changes = {
            "held": total.held, "left": total.left, "missed": len(total.missed),
            "unfounded": total.unfounded, "failed": failed,
        }  # fmt: skip
        for kind, count in changes.items():
            self._metrics.add("tailrace_rule_late_changes_total", count, kind)
        if any(changes.values()):
            _log.warning(
                "late rows change what rules said; lateRows in /api/v1/rules says of which",
                extra={"rules": len(found), "slots": total.slots, **changes},
            )


def _joined(one: Report | None, other: Report) -> Report:
    if one is None:
        return other
    return Report(
        other.at_ns,
        min(one.first_ns, other.first_ns),
        max(one.last_ns, other.last_ns),
        one.difference.joined(other.difference),
        one.error or other.error,
    )
