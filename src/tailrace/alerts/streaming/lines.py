"""Lines that a stream is of, from messages of a live tail or rows of the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from tailrace.alerts.rule import Rule
from tailrace.core import limits
from tailrace.core.alerting import Labels
from tailrace.query.labels import merged
from tailrace.query.logs.entries import Entry


class Line(NamedTuple):
    """`key`: the labels by which the rule's alerts are told apart."""

    key: Labels
    text: str


class _Apart(msgspec.Struct):
    structured_metadata: dict[str, str] = msgspec.field(
        name="structuredMetadata", default_factory=dict
    )
    parsed: dict[str, str] = {}


class _Streamed(msgspec.Struct):
    stream: dict[str, str]
    values: list[tuple[str, str, _Apart]]


class Message(msgspec.Struct):
    """What one message of a live tail says, with labels by where they come from. What its follower
    did not get is in `dropped_entries`; `dropped_lines` are no fewer than what it missed."""

    streams: list[_Streamed] = []
    dropped_entries: list[Any] = []
    dropped_lines: int = 0

    def lines(self, rule: Rule) -> list[Line]:
        """As the rule wants them."""
        return [
            _line(rule, text, one.stream, apart.structured_metadata, apart.parsed)
            for one in self.streams
            for _, text, apart in one.values
        ]


_decoder = msgspec.json.Decoder(Message)


def message(text: str) -> Message:
    """Read one."""
    return _decoder.decode(text)


def stored(entries: Iterable[Entry], rule: Rule) -> list[Line]:
    """Lines that were read back."""
    return [_line(rule, one.line, one.stream, one.metadata, one.parsed) for one in entries]


def _line(
    rule: Rule,
    text: str,
    stream: Mapping[str, str],
    metadata: Mapping[str, str],
    parsed: Mapping[str, str],
) -> Line:
    found: Mapping[str, str] = stream
    if rule.by:
        known = merged(merged(stream, metadata), parsed)
        found = {name: known[name] for name in rule.by if known.get(name)}
    return Line(tuple(sorted(found.items())), text[: limits.STREAM_LINE_CHARS])
