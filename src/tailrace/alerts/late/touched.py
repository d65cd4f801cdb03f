"""Ranges of slots that are to be evaluated again, and when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tailrace.alerts.late.memory import RuleKey
from tailrace.core import limits

# First and last slot.
Span = tuple[int, int]


@dataclass
class _Waiting:
    """Slots of one rule. `first_s`, `last_s`: when rows came first and last that they may read."""

    first_s: float
    last_s: float
    spans: list[Span] = field(default_factory=list)

    @property
    def due_s(self) -> float:
        quiet_s = self.last_s + limits.RULE_LATE_QUIET_S
        return min(quiet_s, self.first_s + limits.RULE_LATE_LONGEST_S)


class Touched:
    """Slots that late rows came for. They are due when no more came for a while, or after long."""

    def __init__(self) -> None:
        self._waiting: dict[RuleKey, _Waiting] = {}

    def touch(self, rule: RuleKey, spans: Iterable[Span], now_s: float) -> None:
        """Rows came that these slots may read."""
        for span in spans:
            waiting = self._waiting.setdefault(rule, _Waiting(now_s, now_s))
            waiting.last_s = now_s
            waiting.spans = _bounded(merged([*waiting.spans, span]))

    def due(self, now_s: float) -> dict[RuleKey, list[Span]]:
        """Take out what is due, in order of time."""
        rules = [rule for rule, waiting in self._waiting.items() if waiting.due_s <= now_s]
        return {rule: self._waiting.pop(rule).spans for rule in rules}

    def retain(self, rules: Iterable[RuleKey]) -> None:
        """Forget all others."""
        for rule in self._waiting.keys() - set(rules):
            del self._waiting[rule]

    def clear(self) -> None:
        """Forget all."""
        self._waiting.clear()


def merged(spans: Iterable[Span], apart_ns: int = 0) -> list[Span]:
    """Those that overlap, or are no further apart, as one; in order of time."""
    found: list[Span] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1] + apart_ns:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found


def _bounded(spans: list[Span]) -> list[Span]:
    """All as one where they are too many."""
    if len(spans) <= limits.RULE_LATE_SPANS:
        return spans
    return [(spans[0][0], spans[-1][1])]
