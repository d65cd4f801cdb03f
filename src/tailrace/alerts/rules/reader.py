"""Rule files: YAML text to groups, with every mistake of the text at once.

A document is one of
    groups: [group, ...]                  Prometheus, Loki's ruler
    namespace: name, groups: [...]        cortextool and lokitool; several documents of these
    name: [group, ...], other: [...]      what Loki's ruler answers: groups by namespace
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from tailrace.alerts.rule import Group, Language, Rule
from tailrace.alerts.rules import entry
from tailrace.alerts.rules.entry import Context, TemplateCheck, check_templates, read_language
from tailrace.alerts.rules.fields import Fields, labels_of, pairs
from tailrace.alerts.rules.nodes import Mapping, Node, Scalar, documents
from tailrace.alerts.rules.nodes import Sequence as Items
from tailrace.alerts.rules.source import Problem, Refused, Source, source_of
from tailrace.core.limits import (
    RULE_GROUPS,
    RULE_INTERVAL_LEAST_S,
    RULES_PER_FILE,
    RULES_PER_GROUP,
)
from tailrace.query.times import SECOND_NS

INTERVAL_NS = 15 * SECOND_NS
_GROUP = ("name", "interval", "query_offset", "limit", "labels", "rules", "language")
_FILE = ("groups", "namespace")


@dataclass(frozen=True)
class Origin:
    """Whose a text is, and what it leaves open. `folder`: the file, or the namespace that it came
    under by the API. `language`: of expressions that PromQL and LogQL read alike."""

    tenant: str = ""
    folder: str = ""
    kind: Literal["file", "api", "built in"] = "file"
    language: Language | None = None
    interval_ns: int = INTERVAL_NS


@dataclass(frozen=True)
class Reading:
    """`groups` are empty when there is an error among the `problems`, which are in the order of
    the text."""

    groups: tuple[Group, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(one for one in self.problems if not one.warning)


def any_template(text: str) -> str | None:
    """A check of templates that finds nothing."""
    return None


def read(
    text: str | bytes, origin: Origin = Origin(), check_template: TemplateCheck = any_template
) -> Reading:
    """The groups of a file. Never raises: what is wrong with the text is in the problems."""
    return _reading(text, origin, check_template, _Reader.file)


def read_group(
    text: str | bytes, origin: Origin = Origin(), check_template: TemplateCheck = any_template
) -> Reading:
    """The same for a text that is one group, as clients send it to the API of Loki's ruler."""
    return _reading(text, origin, check_template, _Reader.single)


def _reading(
    text: str | bytes,
    origin: Origin,
    check_template: TemplateCheck,
    how: Callable[[_Reader], list[Group]],
) -> Reading:
    source = source_of(text)
    groups: list[Group] = []
    if not source.failed:
        try:
            groups = how(_Reader(source, origin, check_template))
        except Refused as refused:
            source.error(refused.index, str(refused))
    return Reading(() if source.failed else tuple(groups), source.problems)


class _Reader:
    def __init__(self, source: Source, origin: Origin, check_template: TemplateCheck) -> None:
        self._source = source
        self._origin = origin
        self._check_template = check_template
        # Where the groups are, by folder and name.
        self._lines: dict[tuple[str, str], int] = {}
        self._rules = 0

    def single(self) -> list[Group]:
        found = documents(self._source)
        if len(found) != 1:
            index = found[1].start if found else 0
            self._source.error(index, "one group is expected, with name and rules")
            return []
        return self._groups(found, self._origin.folder)

    def file(self) -> list[Group]:
        groups: list[Group] = []
        folders: set[str] = set()
        for number, document in enumerate(documents(self._source)):
            for folder, nodes in self._folders(document):
                if number and folder in folders:
                    message = "a document after the first needs a namespace of its own"
                    self._source.error(document.start, message)
                folders.add(folder)
                groups += self._groups(nodes, folder)
        return groups

    def _folders(self, document: Node) -> list[tuple[str, Sequence[Node]]]:
        """The groups of a document by namespace."""
        if _is_map_of_folders(document):
            assert isinstance(document, Mapping)
            named = pairs(self._source, document)
            return [(k.value, v.items) for k, v in named if isinstance(v, Items)]
        fields = Fields(self._source, document, "the file", _FILE)
        folder = fields.text("namespace") or self._origin.folder
        return [(folder, fields.items("groups", RULE_GROUPS, "RULE_GROUPS"))]

    def _groups(self, nodes: Sequence[Node], folder: str) -> list[Group]:
        groups = []
        for node in nodes:
            if len(self._lines) >= RULE_GROUPS:
                raise Refused(node.start, f"more than {RULE_GROUPS} groups (RULE_GROUPS)")
            fields = Fields(self._source, node, "a group", _GROUP)
            if isinstance(node, Mapping):
                groups.append(self._group(fields, folder))
        return groups

    def _group(self, fields: Fields, folder: str) -> Group:
        name = fields.text("name")
        self._check_name(fields, folder, name)
        offset_ns = fields.duration("query_offset", 0)
        interval_ns = self._interval_ns(fields)
        labels = fields.named("labels")
        context = Context(
            self._source, self._check_template, read_language(self._source, fields),
            self._origin.language, offset_ns, interval_ns,
        )  # fmt: skip
        rules = self._rules_of(context, fields)
        if any(rule.alert for rule in rules):
            check_templates(self._source, self._check_template, labels)
        return Group(
            tenant=self._origin.tenant,
            folder=folder,
            name=name,
            rules=rules,
            interval_ns=interval_ns,
            offset_ns=offset_ns,
            limit=fields.whole("limit"),
            labels=labels_of(labels),
            origin=self._origin.kind,
        )

    def _check_name(self, fields: Fields, folder: str, name: str) -> None:
        line = self._source.place(fields.start)[0]
        if not name:
            self._source.error(fields.key("name"), "a group needs a name")
        elif (folder, name) in self._lines:
            first = self._lines[folder, name]
            message = f"the group {name[:100]!r} is there twice, first in line {first}"
            self._source.error(fields.key("name"), message)
        self._lines.setdefault((folder, name or f"\n{len(self._lines)}"), line)

    def _interval_ns(self, fields: Fields) -> int:
        """0 is none, as in Prometheus."""
        found = fields.duration("interval", 0) or self._origin.interval_ns
        if found < RULE_INTERVAL_LEAST_S * SECOND_NS:
            message = f"interval has to be at least {RULE_INTERVAL_LEAST_S:g}s"
            self._source.error(fields.key("interval"), f"{message} (RULE_INTERVAL_LEAST_S)")
        return found

    def _rules_of(self, context: Context, fields: Fields) -> tuple[Rule, ...]:
        rules = []
        for node in fields.items("rules", RULES_PER_GROUP, "RULES_PER_GROUP"):
            self._rules += 1
            if self._rules > RULES_PER_FILE:
                message = f"more than {RULES_PER_FILE} rules in one file (RULES_PER_FILE)"
                raise Refused(node.start, message)
            if rule := entry.read_rule(context, node):
                rules.append((node, rule))
        self._warn_of_duplicates(rules)
        return tuple(rule for _, rule in rules)

    def _warn_of_duplicates(self, rules: Sequence[tuple[Node, Rule]]) -> None:
        """Their series or alerts cannot be told apart, as `promtool check rules` warns, too."""
        seen: Counter[tuple[str, object]] = Counter()
        for node, rule in rules:
            seen[rule.name, rule.labels] += 1
            if seen[rule.name, rule.labels] == 2:
                message = f"{rule.name[:100]!r} is in this group before, with the same labels"
                self._source.warning(node.start, message)


def _is_map_of_folders(document: Node) -> bool:
    """Lists of groups by names that are no mistyped fields of a file."""
    if not isinstance(document, Mapping) or not document.pairs:
        return False
    lists = [value for _, value in document.pairs if isinstance(value, Items)]
    groups = [one for found in lists for one in found.items]
    if len(lists) != len(document.pairs) or not groups:
        return False
    keys = _keys(document)
    typed = any(difflib.get_close_matches(key.lower()[:100], _FILE, 1, 0.8) for key in keys)
    return not typed and all("name" in _keys(one) for one in groups)


def _keys(node: Node) -> list[str]:
    if not isinstance(node, Mapping):
        return []
    return [key.value for key, _ in node.pairs if isinstance(key, Scalar)]
