"""The parsers regexp, pattern and unpack."""

from __future__ import annotations

import re

from tailrace.query.logql.ast import PatternParser, RegexpParser
from tailrace.query.pipeline import naming, pattern
from tailrace.query.pipeline.jsonfields import NotJson, decoded
from tailrace.query.pipeline.labels import LabelSet
from tailrace.query.pipeline.regex import compiled, encoded
from tailrace.query.pipeline.step import JSON_ERROR, Step, refuse

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# RE2 takes two groups of one name, and forgets the second.
_GROUP = re.compile(r"(?<!\\)\(\?P?<(\w+)>")
ENTRY = "_entry"


def regexp_step(stage: RegexpParser) -> Step:
    """`| regexp "..."`. Raises QueryError for a pattern without a group that has a name."""
    regex = compiled(stage.pattern, stage.position)
    groups = {number: _group_name(name) for name, number in regex.groupindex.items()}
    if not groups:
        raise refuse("a regexp needs at least one group with a name, (?P<name>...)", stage.position)
    named = _GROUP.findall(stage.pattern)
    if len(set(named)) < len(named):
        raise refuse("a regexp names two of its groups alike", stage.position)
    for name in groups.values():
        if not _NAME.fullmatch(name):
            raise refuse(f"{name!r} is no name of a label", stage.position)
    wanted = tuple(sorted(groups.items()))
    search = regex.search

    def step(line: str, labels: LabelSet, _time_ns: int) -> str:
        found = search(encoded(line))
        if found is not None:
            for number, name in wanted:
                value = found.group(number)
                naming.claim(
                    name, "" if value is None else value.decode("utf-8", "replace"), labels
                )
        return line

    return step


def pattern_step(stage: PatternParser) -> Step:
    """`| pattern "..."`. Raises QueryError."""
    extract = pattern.extractor(stage.pattern, stage.position)

    def step(line: str, labels: LabelSet, _time_ns: int) -> str:
        for name, value in extract(line):
            naming.claim(name, value, labels)
        return line

    return step


def unpack(line: str, labels: LabelSet, _time_ns: int) -> str:
    """`| unpack`: texts of the object become labels, `_entry` the line.

    An object without `_entry` was not packed, and stays as it is.
    """
    try:
        fields = decoded(line)
    except NotJson as error:
        labels.fail(JSON_ERROR, str(error))
        return line
    entry = fields.get(ENTRY)
    if not isinstance(entry, str):
        return line
    for key, value in fields.items():
        name = naming.sanitized(key)
        if type(value) is str and key != ENTRY and name:
            naming.claim(name, value, labels)
    return entry


def _group_name(name: str | bytes) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name
