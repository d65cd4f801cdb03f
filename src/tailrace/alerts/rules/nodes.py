"""YAML text to a bounded tree of nodes that know their places.

PyYAML gives events, in C where it was built with libyaml, which is twenty times as quick. The tree
is made here, since PyYAML's own follows aliases and depth without a bound.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

from tailrace.alerts.rules.source import Refused, Source
from tailrace.core.limits import RULE_FILE_BYTES, RULE_FILE_DEPTH, RULE_FILE_NODES

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
# Tags that say what a node is anyway.
_PLAIN_TAGS = frozenset({"!", *(_TAG + kind for kind in ("str", "map", "seq"))})
# PyYAML without libyaml reads their escapes.
_SURROGATE = re.compile("[\ud800-\udfff]")
# A tag and an anchor before a scalar.
_PROPERTIES = re.compile(r"(?:[!&]\S*\s+)+")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True)
class Scalar:
    """`start` and `end` are characters of the source; `style` is "" or one of ' " | >."""

    start: int
    end: int
    value: str
    style: str = ""

    @property
    def is_null(self) -> bool:
        return not self.style and self.value in _NULLS


@dataclass(frozen=True)
class Sequence:
    start: int
    items: tuple[Node, ...]


@dataclass(frozen=True)
class Mapping:
    """`pairs` in their order, keys that are there twice included."""

    start: int
    pairs: tuple[tuple[Node, Node], ...]


Node: TypeAlias = Scalar | Sequence | Mapping


@dataclass
class _Size:
    """What was read: nodes, and characters of scalars."""

    nodes: int = 0
    characters: int = 0


def documents(source: Source) -> list[Node]:
    """The trees of all documents, empty ones left out. Raises Refused."""
    try:
        return _Composer(source).documents()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ", ".join(one for one in (error.context, error.problem) if one)
        raise Refused(min(mark.index, len(source.text)) if mark else 0, said) from None
    except yaml.YAMLError as error:
        raise Refused(0, str(error).partition("\n")[0]) from None


class _Composer:
    def __init__(self, source: Source) -> None:
        self._events: Iterator[Any] = yaml.parse(source.text, Loader=_LOADER)
        self._text = source.text
        self._size = _Size()
        # None while the node is read: an alias within it would never end.
        self._anchors: dict[str, tuple[Node, _Size] | None] = {}

    def documents(self) -> list[Node]:
        found: list[Node] = []
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors.clear()
                node = self._node(next(self._events), 1)
                if not (isinstance(node, Scalar) and node.is_null):
                    found.append(node)
        return found

    def _node(self, event: Any, depth: int) -> Node:
        start = event.start_mark.index
        if depth > RULE_FILE_DEPTH:
            raise Refused(start, f"nested deeper than {RULE_FILE_DEPTH} (RULE_FILE_DEPTH)")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(str(event.anchor), start)
        if event.tag is not None and event.tag not in _PLAIN_TAGS:
            shown = event.tag.replace(_TAG, "!!")
            raise Refused(start, f"the tag {shown[:100]} has no place in a rule file")
        before = _Size(self._size.nodes, self._size.characters)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        node = self._content(event, depth)
        if event.anchor is not None:
            now = self._size
            size = _Size(now.nodes - before.nodes, now.characters - before.characters)
            self._anchors[event.anchor] = (node, size)
        return node

    def _content(self, event: Any, depth: int) -> Node:
        start, end = event.start_mark.index, event.end_mark.index
        self._count(start, 1, 0)
        if isinstance(event, yaml.ScalarEvent):
            self._count(start, 0, len(event.value))
            if _SURROGATE.search(event.value):
                raise Refused(start, "half of a surrogate pair is no character")
            if found := _PROPERTIES.match(self._text, start, end):
                start = found.end()
            return Scalar(start, end, event.value, event.style or "")
        children: list[Node] = []
        ending = (yaml.SequenceEndEvent, yaml.MappingEndEvent)
        while not isinstance(inner := next(self._events), ending):
            children.append(self._node(inner, depth + 1))
        if isinstance(event, yaml.SequenceStartEvent):
            return Sequence(start, tuple(children))
        return Mapping(start, tuple(zip(children[::2], children[1::2], strict=True)))

    def _alias(self, name: str, start: int) -> Node:
        if name not in self._anchors:
            raise Refused(start, f"there is no anchor &{name[:100]} before this")
        anchored = self._anchors[name]
        if anchored is None:
            raise Refused(start, f"*{name[:100]} stands within what it refers to")
        node, size = anchored
        self._count(start, size.nodes, size.characters)
        return node

    def _count(self, index: int, nodes: int, characters: int) -> None:
        """Aliases count as if what they refer to were written there."""
        self._size.nodes += nodes
        self._size.characters += characters
        if self._size.nodes > RULE_FILE_NODES:
            raise Refused(index, f"more than {RULE_FILE_NODES} parts (RULE_FILE_NODES)")
        if self._size.characters > RULE_FILE_BYTES:
            message = f"longer than {RULE_FILE_BYTES} bytes with its aliases (RULE_FILE_BYTES)"
            raise Refused(index, message)
