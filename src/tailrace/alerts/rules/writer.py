"""Groups to YAML text, which reads back as they are.

What a field has by default is left out, and so is a language that the reader would decide on
itself: then Prometheus and Loki's tools read the text, too.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from tailrace.alerts.rule import Group, Language, Rule
from tailrace.alerts.rules.durations import write_duration
from tailrace.alerts.rules.entry import QUIET_NS
from tailrace.alerts.rules.language import language_of
from tailrace.core.errors import QueryError


def write(groups: Sequence[Group], default: Language | None = None) -> str:
    """A rule file. `default` is what `Origin.language` will be where the text is read; of their
    folders, which a reader is told, it has nothing."""
    return _text({"groups": [_group(group, default) for group in groups]})


def write_file(groups: Sequence[Group], folder: str, default: Language | None = None) -> str:
    """The same with the namespaces of what is not in `folder`, a document for each."""
    found: dict[str, list[Group]] = {}
    for group in groups:
        found.setdefault(group.folder, []).append(group)
    return "---\n".join(
        ("" if name == folder else _text({"namespace": name})) + write(inside, default)
        for name, inside in found.items()
    )


def write_group(group: Group, default: Language | None = None) -> str:
    """What `read_group` reads."""
    return _text(_group(group, default))


def write_folders(groups: Sequence[Group], default: Language | None = None) -> str:
    """Groups by folder, as Loki's ruler answers."""
    found: dict[str, list[Any]] = {}
    for group in groups:
        found.setdefault(group.folder, []).append(_group(group, default))
    return _text(found)


# Line breaks of YAML that PyYAML writes into a text between single quotes, where they are blanks.
_FOLDED = frozenset("\r\x85\u2028\u2029\ufeff")


class _Dumper(yaml.SafeDumper):
    """Several lines stand as they are; no aliases, which people cannot read."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = '"' if _FOLDED & set(value) else "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)


_Dumper.add_representer(str, _represent)


def _text(value: Mapping[str, Any]) -> str:
    written: str = yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=sys.maxsize
    )
    return written


def _group(group: Group, default: Language | None) -> dict[str, Any]:
    found: dict[str, Any] = {"name": group.name, "interval": write_duration(group.interval_ns)}
    if group.offset_ns:
        found["query_offset"] = write_duration(group.offset_ns)
    if group.limit:
        found["limit"] = group.limit
    if group.labels:
        found["labels"] = dict(group.labels)
    found["rules"] = [_rule(rule, group, default) for rule in group.rules]
    return found


def _rule(rule: Rule, group: Group, default: Language | None) -> dict[str, Any]:
    found: dict[str, Any] = {"alert": rule.alert} if rule.alert else {"record": rule.record}
    if rule.streams:
        return found | _streaming(rule)
    found["expr"] = rule.expr
    if _decided(rule.expr, default) != rule.language:
        found["language"] = rule.language
    if rule.since_ns:
        found["since"] = write_duration(rule.since_ns)
    if rule.for_ns:
        found["for"] = write_duration(rule.for_ns)
    if rule.keep_firing_ns:
        found["keep_firing_for"] = write_duration(rule.keep_firing_ns)
    if rule.offset_ns != group.offset_ns:
        found["offset"] = write_duration(rule.offset_ns)
    if rule.min_confidence:
        found["min_confidence"] = rule.min_confidence
    return found | _texts(rule)


def _streaming(rule: Rule) -> dict[str, Any]:
    found: dict[str, Any] = {"stream": rule.expr}
    if rule.quiet_ns != QUIET_NS:
        found["quiet"] = write_duration(rule.quiet_ns)
    if rule.by:
        found["by"] = list(rule.by)
    return found | _texts(rule)


def _texts(rule: Rule) -> dict[str, Any]:
    named = {"labels": dict(rule.labels), "annotations": dict(rule.annotations)}
    return {name: texts for name, texts in named.items() if texts}


def _decided(expr: str, default: Language | None) -> Language | None:
    try:
        return language_of(expr, default)
    except QueryError:
        return None
