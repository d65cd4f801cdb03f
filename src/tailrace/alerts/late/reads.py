"""Which rows the expression of a rule reads at a slot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tailrace.alerts.delivery.matching import Predicate, predicate
from tailrace.alerts.evaluation.expression import parsed
from tailrace.alerts.evaluation.logshapes import SERVICE
from tailrace.alerts.rule import Rule
from tailrace.core.alerting import Matcher
from tailrace.core.errors import QueryError
from tailrace.core.frame import Signal
from tailrace.query.labels import sanitise
from tailrace.query.late import BUCKET_NS
from tailrace.query.logql.ast import Matcher as Selecting
from tailrace.query.logs.metric import read_at
from tailrace.query.promql.ast import NAME, selectors
from tailrace.query.promql.samples import LOOKBACK_NS
from tailrace.query.promql.spans import spans


@dataclass(frozen=True)
class Reads:
    """Rows of a signal at event times from `first_ns` to `last_ns` after a slot, both mostly
    negative, and of the services or metrics whose name one of `passes` passes."""

    signal: Signal
    first_ns: int
    last_ns: int
    passes: Sequence[Predicate]

    def of(self, name: str) -> bool:
        """Whether rows of that service or metric may be among them."""
        spellings = [{SERVICE: name, NAME: name}]
        if self.signal is Signal.METRICS:
            spellings.append({NAME: sanitise(name)})
        return any(one(spelled) for one in self.passes for spelled in spellings)

    def slots(self, first_ns: int) -> tuple[int, int]:
        """The first and last time at which a slot may read rows of a bucket."""
        return first_ns - self.last_ns, first_ns + BUCKET_NS - 1 - self.first_ns


def reads(rule: Rule) -> list[Reads]:
    """What a rule reads, more rather than less; nothing of one that cannot be asked."""
    if rule.language == "sql":
        return [Reads(signal, -rule.since_ns, 0, [predicate(())]) for signal in Signal]
    try:
        tree = parsed(rule.language, rule.expr)
        found = _promql(tree) if rule.language == "promql" else _logql(tree)
        return [_moved(one, rule.offset_ns) for one in found]
    except (QueryError, ValueError):
        return []


def _moved(one: Reads, offset_ns: int) -> Reads:
    return Reads(one.signal, one.first_ns - offset_ns, one.last_ns - offset_ns, one.passes)


def _logql(tree: object) -> Iterator[Reads]:
    for one, first_ns, last_ns in read_at(tree, 0, 0):  # type: ignore[arg-type]  # metrics
        passes = [_of_name(one.query.matchers, SERVICE)]
        before_ns = one.range_ns + one.offset_ns
        yield Reads(Signal.LOGS, first_ns - before_ns, last_ns - one.offset_ns, passes)


def _promql(tree: object) -> Iterator[Reads]:
    passes = [_of_name(one.matchers, NAME) for one in selectors(tree)]  # type: ignore[arg-type]
    # Those at a fixed time are far from any slot.
    for first_ns, last_ns in set(spans(tree, 0, 0, LOOKBACK_NS)):  # type: ignore[arg-type]
        yield Reads(Signal.METRICS, first_ns, last_ns, passes)


def _of_name(matchers: Iterable[Selecting], label: str) -> Predicate:
    """What they ask of one label. Raises ValueError."""
    return predicate([Matcher(m.name, m.op, m.value) for m in matchers if m.name == label])


def touched(found: Reads, rows: Mapping[str, Sequence[int]]) -> Iterator[tuple[int, int]]:
    """From when to when slots may have read late rows, by the names and buckets of the rows."""
    for name, buckets in rows.items():
        if found.of(name):
            yield from map(found.slots, buckets)
