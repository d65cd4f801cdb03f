"""One rule that watches lines, and its alerts: they fire with a line, and are resolved when none
came for `quiet`.

`left_ns` of its alerts is when the last line came. `value` counts the lines since it fires. Those
that were looked at as they came are counted apart, until it is sure that none was missed: else what
the store says of that time counts in their place.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as replace_fields

from msgspec.structs import replace

from tailrace.alerts.evaluation import state
from tailrace.alerts.evaluation.state import Owner
from tailrace.alerts.evaluation.turn import Describe, Seen
from tailrace.alerts.rule import Group
from tailrace.alerts.streaming.lines import Line
from tailrace.core import limits
from tailrace.core.alerting import Alert, Labels, Phase

# As templates see the line that made an alert fire; it is no label of the alert.
LINE = "__line__"
TOO_MANY = f"more than {limits.STREAM_LABEL_SETS} alerts fire (STREAM_LABEL_SETS); give it `by`"


@dataclass
class _Count:
    """Of one alert: the labels and the line that made it fire; lines up to when all were known, and
    since then. `told`: as many as its annotations know of."""

    key: Labels
    line: str
    known: int = 0
    since: int = 0
    told: int = 0

    @property
    def total(self) -> int:
        return self.known + self.since


class Stream:
    """`complete_ns`: no line that was taken in before then was missed; 0 where it never began.
    `behind`: some were missed since. `kept`: the alerts as they were kept and told last;
    `begun`: it is kept that there is such a rule."""

    def __init__(
        self,
        group: Group,
        owner: Owner,
        describe: Describe,
        alerts: Mapping[Labels, Alert],
        complete_ns: int = 0,
    ) -> None:
        self.group = group
        self.owner = owner
        self.alerts = dict(alerts)
        self.kept = dict(alerts)
        self.complete_ns = complete_ns
        self.begun = self.behind = bool(complete_ns)
        self.error = ""
        self.full = False
        self._describe = describe
        self._labels: dict[Labels, Labels] = {}
        self._counts: dict[Labels, _Count] = {}
        self._lock = asyncio.Lock()

    def is_of(self, group: Group, owner: Owner) -> bool:
        """Whether it is the same rule, whatever others its group has."""
        alike = replace_fields(group, rules=()) == replace_fields(self.group, rules=())
        return alike and owner == self.owner

    async def take(self, lines: Sequence[Line], at_ns: int) -> None:
        """Lines that came."""
        async with self._lock:
            await self._take(lines, at_ns)

    async def made_up(self, lines: Sequence[Line], at_ns: int, complete_ns: int) -> None:
        """All lines since `complete_ns` as it was; it is another from here on."""
        async with self._lock:
            for count in self._counts.values():
                count.since = 0
            await self._take(lines, at_ns)
            for count in self._counts.values():
                count.known, count.since = count.total, 0
            self.complete_ns, self.behind = complete_ns, False

    async def _take(self, lines: Sequence[Line], at_ns: int) -> None:
        first: dict[Labels, str] = {}
        for line in lines:
            first.setdefault(line.key, line.text)
        numbers = Counter(line.key for line in lines)
        await self._begin({k: text for k, text in first.items() if k not in self._labels}, at_ns)
        for key, number in numbers.items():
            if (labels := self._labels.get(key)) is None:
                continue
            count = self._counts[labels]
            count.since += number
            self.alerts[labels] = replace(
                self.alerts[labels], value=float(count.total), left_ns=at_ns
            )

    async def _begin(self, fresh: Mapping[Labels, str], at_ns: int) -> None:
        """Alerts for labels that none was for."""
        firing = sum(one.phase is Phase.FIRING for one in self.alerts.values())
        room = max(0, limits.STREAM_LABEL_SETS - firing)
        self.full = len(fresh) > room
        some = list(fresh.items())[:room]
        found = [Seen((*key, (LINE, text)), 1.0) for key, text in some]
        held = await self._describe(self.owner, self.group, at_ns, found) if found else []
        for (key, text), one in zip(some, held, strict=True):
            labels = _without_line(one.labels)
            self._labels[key] = labels
            before = self.alerts.get(labels)
            if before is None or before.phase is not Phase.FIRING:
                self.alerts[labels] = Alert(
                    self.owner.tenant, self.owner.rule_id, labels, one.annotations, Phase.FIRING,
                    0.0, active_ns=at_ns, fired_ns=at_ns, left_ns=at_ns,
                )  # fmt: skip
            known = int(self.alerts[labels].value)
            self._counts.setdefault(labels, _Count(key, text, known, told=known + 1))

    async def describe(self, at_ns: int) -> None:
        """Annotations say how many lines there are by now. Of alerts from before a restart nobody
        knows the line, and they stay as they are until the next one."""
        async with self._lock:
            told = [(k, one) for k, one in self._counts.items() if one.total != one.told]
            found = [Seen((*one.key, (LINE, one.line)), float(one.total)) for _, one in told]
            held = await self._describe(self.owner, self.group, at_ns, found) if found else []
            for (labels, count), one in zip(told, held, strict=True):
                count.told = count.total
                self.alerts[labels] = replace(self.alerts[labels], annotations=one.annotations)

    def look(self, now_ns: int) -> None:
        """Resolve those for which no line came for long enough; none while it may have come."""
        if self.behind or self._lock.locked():
            return
        for labels, one in self.alerts.items():
            ends_ns = (one.left_ns or one.fired_ns) + self.owner.rule.quiet_ns
            if one.phase is Phase.FIRING and ends_ns <= now_ns:
                self.alerts[labels] = replace(one, phase=Phase.RESOLVED, ended_ns=now_ns)
                self._counts.pop(labels, None)
        self._labels = {k: labels for k, labels in self._labels.items() if labels in self._counts}

    def news(self, whole: bool) -> list[Alert]:
        """Alerts that are to be kept and told: those that fire or are resolved, or, with `whole`,
        all that are otherwise."""
        return [
            one
            for labels, one in self.alerts.items()
            if one != (kept := self.kept.get(labels))
            and (whole or kept is None or (kept.phase, kept.fired_ns) != (one.phase, one.fired_ns))
        ]

    def told(self, alert: Alert) -> None:
        """A resolved one that is no more. It may say other times, from before the clock was set."""
        kept = self.kept.get(alert.labels)
        if kept is None or kept.phase is not Phase.RESOLVED:
            return
        if self.alerts.get(alert.labels) == kept:
            del self.alerts[alert.labels]
        del self.kept[alert.labels]

    def move(self, by_ns: int) -> None:
        """The clock was set."""
        self.alerts = {k: state.moved(one, by_ns) for k, one in self.alerts.items()}
        self.kept = {k: state.moved(one, by_ns) for k, one in self.kept.items()}
        self.complete_ns += by_ns if self.complete_ns else 0

    @property
    def trouble(self) -> str:
        """Why it does not see all that it should, "" when it does."""
        return self.error or (TOO_MANY if self.full else "")


def _without_line(labels: Labels) -> Labels:
    return tuple((name, value) for name, value in labels if name != LINE)
