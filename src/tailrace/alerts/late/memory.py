"""What rules gave at the slots of the last hour, so that it can be said what is otherwise later.

Of a slot are kept numbers that stand for the series that were given: for an alert its labels, for a
recorded series its value, too. Slots that follow one another and gave the same are one run.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from tailrace.core import limits

# Tenant and id of a rule.
RuleKey: TypeAlias = tuple[str, str]
# The numbers of a slot, in order, eight bytes each.
Given: TypeAlias = bytes
NOTHING: Given = b""
# Of a run, beside its numbers.
_RUN_BYTES = 250


def packed(numbers: Iterable[int]) -> Given:
    """Numbers of 64 bits as they are kept."""
    return array("q", sorted(numbers)).tobytes()


def unpacked(kept: Given) -> frozenset[int]:
    """The numbers again."""
    return frozenset(array("q", kept))


@dataclass(frozen=True, slots=True)
class Run:
    """Slots from the first to the last; `again`: they were evaluated once more."""

    first_ns: int
    last_ns: int
    given: Given
    again: bool = False

    @property
    def bytes(self) -> int:
        return _RUN_BYTES + len(self.given)


class Memory:
    """Of each rule the runs in order of time, all together at most `most_bytes`: the rule that
    takes most of it is forgotten then."""

    def __init__(self, most_bytes: int = limits.RULE_SAID_BYTES) -> None:
        self._most_bytes = most_bytes
        self._rules: dict[RuleKey, _Runs] = {}
        self._bytes = 0

    @property
    def bytes(self) -> int:
        """What is held, about."""
        return self._bytes

    def put(
        self,
        rule: RuleKey,
        first_ns: int,
        step_ns: int,
        given: Sequence[Given],
        again: bool = False,
    ) -> None:
        """What a rule gave at slots from `first_ns` on, in place of what was known of them."""
        runs = self._rules.setdefault(rule, _Runs(step_ns))
        self._bytes -= runs.bytes
        after = runs.replaced(first_ns, first_ns + (len(given) - 1) * step_ns)
        for n, one in enumerate(given):
            runs.append(Run(first_ns + n * step_ns, first_ns + n * step_ns, one, again))
        for run in after:
            runs.append(run)
        runs.forget(runs.last_ns - int(limits.RULE_SAID_S * 1e9))
        self._bytes += runs.bytes
        while self._bytes > self._most_bytes:
            self._drop(max(self._rules, key=lambda one: self._rules[one].bytes))

    def runs(self, rule: RuleKey) -> Sequence[Run]:
        """All that is known of a rule."""
        found = self._rules.get(rule)
        return found.runs if found else ()

    def open(
        self, rule: RuleKey, first_ns: int, last_ns: int, step_ns: int
    ) -> Iterator[tuple[int, int]]:
        """The known slots between two times that were not evaluated again: of those that follow one
        another the first and the last."""
        last: Run | None = None
        for run in self.runs(rule):
            part = None if run.again else _cut(run, first_ns, last_ns, step_ns)
            if part is None:
                continue
            if last and part.first_ns == last.last_ns + step_ns:
                last = replace(last, last_ns=part.last_ns)
                continue
            if last:
                yield last.first_ns, last.last_ns
            last = part
        if last:
            yield last.first_ns, last.last_ns

    def retain(self, rules: Iterable[RuleKey]) -> None:
        """Forget all others."""
        for rule in self._rules.keys() - set(rules):
            self._drop(rule)

    def clear(self) -> None:
        """Forget all."""
        self.retain(())

    def _drop(self, rule: RuleKey) -> None:
        self._bytes -= self._rules.pop(rule).bytes


class _Runs:
    """Those of one rule, whose slots are `step_ns` apart."""

    def __init__(self, step_ns: int) -> None:
        self._step_ns = step_ns
        self.runs: deque[Run] = deque()
        self.bytes = 0

    @property
    def last_ns(self) -> int:
        """The last slot."""
        return self.runs[-1].last_ns

    def append(self, run: Run) -> None:
        """What comes after all others."""
        if self.runs and _continues(self.runs[-1], run, self._step_ns):
            run = replace(self._pop(), last_ns=run.last_ns)
        self.runs.append(run)
        self.bytes += run.bytes

    def replaced(self, first_ns: int, last_ns: int) -> list[Run]:
        """Take out all from a slot on; those after `last_ns` in their order."""
        after: list[Run] = []
        while self.runs and self.last_ns >= first_ns:
            run = self._pop()
            if later := _cut(run, last_ns + 1, run.last_ns, self._step_ns):
                after.append(later)
            if before := _cut(run, run.first_ns, first_ns - 1, self._step_ns):
                self.append(before)
        return after[::-1]

    def forget(self, before_ns: int) -> None:
        """Runs that ended before then."""
        while self.runs[0].last_ns < before_ns:
            self.bytes -= self.runs.popleft().bytes

    def _pop(self) -> Run:
        run = self.runs.pop()
        self.bytes -= run.bytes
        return run


def _cut(run: Run, first_ns: int, last_ns: int, step_ns: int) -> Run | None:
    """Of a run the slots between two times; None where there are none."""
    first_ns = max(run.first_ns, run.last_ns - (run.last_ns - first_ns) // step_ns * step_ns)
    last_ns = min(run.last_ns, run.first_ns + (last_ns - run.first_ns) // step_ns * step_ns)
    return replace(run, first_ns=first_ns, last_ns=last_ns) if first_ns <= last_ns else None


def _continues(one: Run, other: Run, step_ns: int) -> bool:
    follows = other.first_ns == one.last_ns + step_ns
    return follows and (other.given, other.again) == (one.given, one.again)
