"""Rules as they are evaluated, whatever they were read from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from tailrace.core.alerting import Labels, fingerprint

Language = Literal["promql", "logql", "sql"]


@dataclass(frozen=True)
class Rule:
    """One of a group: an alert when `alert` is its name, else it records a series `record`.

    `expr` is in `language`. `for_ns` and `keep_firing_ns` are of alerts. `labels` and `annotations`
    are templates, as written. `offset_ns`: rows count that were there so long before the slot.
    `min_confidence`: 0, or how sure (0 to 1) a value from sampled rows has to be of passing the
    threshold. `since_ns`: how far before its slot a rule in SQL reads. `line` is where it begins in
    its file, and no part of what it is.

    With `streams` it is of a log query in LogQL, whose lines are watched as they come in: each
    label set of them, or of the labels `by`, is an alert until no line came for `quiet_ns`.
    """

    expr: str
    language: Language
    alert: str = ""
    record: str = ""
    for_ns: int = 0
    keep_firing_ns: int = 0
    labels: Labels = ()
    annotations: Labels = ()
    offset_ns: int = 0
    min_confidence: float = 0.0
    since_ns: int = 0
    streams: bool = False
    quiet_ns: int = 0
    by: tuple[str, ...] = ()
    line: int = field(default=0, compare=False)

    @property
    def name(self) -> str:
        return self.alert or self.record


@dataclass(frozen=True)
class Group:
    """Rules of one tenant that are evaluated one after the other, every `interval_ns`.

    `folder` is the file it came from, or Loki's namespace; with `name` it is unique in the tenant.
    `limit`: most alerts or series of a rule, 0 for no bound but ours. `labels` are added to those
    of each rule. `origin`: where it came from, so that the API changes only what came by it.
    """

    tenant: str
    folder: str
    name: str
    rules: tuple[Rule, ...]
    interval_ns: int
    offset_ns: int = 0
    limit: int = 0
    labels: Labels = ()
    origin: Literal["file", "api", "built in"] = "file"

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.tenant, self.folder, self.name)


def rule_id(group: Group, index: int) -> str:
    """Names a rule across restarts: it stays while the rule's name, its expression and its group
    do, whatever comes before it in the group.

    Two rules of a group with the same name and expression are told apart by their labels, and those
    that have these in common, too, by their order.
    """
    rule = group.rules[index]
    alike = [n for n, one in enumerate(group.rules[: index + 1]) if _same(one, rule)]
    parts = (group.folder, group.name, rule.name, rule.language, rule.expr, repr(rule.labels))
    pairs = tuple((str(n), part) for n, part in enumerate((*parts, str(len(alike)))))
    return fingerprint(pairs)


def parted(groups: Iterable[Group]) -> tuple[list[Group], list[Group]]:
    """Groups with the rules that are evaluated, and with those that watch lines; a group with rules
    of both kinds is in both lists, and `rule_id` of each rule is that in the whole group."""
    evaluated, streamed = [], []
    for group in groups:
        streams = tuple(rule for rule in group.rules if rule.streams)
        if not streams:
            evaluated.append(group)
            continue
        streamed.append(replace(group, rules=streams))
        if others := tuple(rule for rule in group.rules if not rule.streams):
            evaluated.append(replace(group, rules=others))
    return evaluated, streamed


def _same(one: Rule, other: Rule) -> bool:
    return (one.name, one.language, one.expr, one.labels) == (
        other.name, other.language, other.expr, other.labels,
    )  # fmt: skip
