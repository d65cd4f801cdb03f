"""Rows with values replaced, still valid in their format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tailrace.guard.members import Member, members
from tailrace.guard.values import number_quotes

_BLANKS = b" \t\x1e"
_NUMBER = frozenset(b"0123456789+-.eE")
_KEY = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-."
_Span = tuple[int, int, "bytes | None"]


class Edit(NamedTuple):
    """`data[start:stop]` becomes `text`; None drops the field that holds it."""

    start: int
    stop: int
    text: bytes | None


def rewritten(data: bytes, start: int, stop: int, edits: Sequence[Edit]) -> bytes:
    """The row `data[start:stop]` with its edits, which are ascending and do not overlap."""
    spans = [_span(data, start, stop, edit) for edit in edits]
    if any(edit.text is None for edit in edits):
        return _with_drops(data[start:stop], [(a - start, b - start, text) for a, b, text in spans])
    pieces: list[bytes] = []
    done = start
    for begin, end, text in spans:
        pieces += (data[done:begin], text or b"")
        done = end
    return b"".join((*pieces, data[done:stop]))


def _span(data: bytes, start: int, stop: int, edit: Edit) -> _Span:
    """What is replaced: of a number of JSON all of it, by a text in quotes."""
    begin, end, text = edit
    if text is None:
        return edit
    while begin > start and data[begin - 1] in _NUMBER:
        begin -= 1
    while end < stop and data[end] in _NUMBER:
        end += 1
    if quote := number_quotes(data, begin, end, start, stop):
        return begin, end, quote + text + quote
    return edit.start, edit.stop, text


def _with_drops(row: bytes, spans: Sequence[_Span]) -> bytes:
    """From the last to the first, so that what stands before keeps its place."""
    held = list(members(row, 0, len(row)))
    gone: list[tuple[int, int]] = []
    for begin, end in sorted(_field(row, held, span) for span in spans if span[2] is None):
        if gone and begin < gone[-1][1]:
            gone[-1] = (gone[-1][0], max(gone[-1][1], end))
        else:
            gone.append((begin, end))
    changes: list[_Span] = [(begin, end, None) for begin, end in gone]
    changes += [
        span
        for span in spans
        if span[2] is not None and not any(a <= span[0] and span[1] <= b for a, b in gone)
    ]
    for begin, end, text in sorted(changes, key=lambda span: span[:2], reverse=True):
        head, tail = row[:begin], row[end:]
        row = _closed(head, tail) if text is None else head + text + tail
    return row


def _closed(head: bytes, tail: bytes) -> bytes:
    """Without the comma that is one too many."""
    behind = tail.lstrip(_BLANKS)
    if behind[:1] == b",":
        return head + behind[1:].lstrip(_BLANKS)
    if behind[:1] in (b"}", b"]"):
        return head.rstrip(_BLANKS).removesuffix(b",") + tail
    return head + tail


def _field(row: bytes, held: Sequence[Member], span: _Span) -> tuple[int, int]:
    """The smallest member that holds the value, or else its assignment in logfmt."""
    begin, end, _ = span
    holding = [one for one in held if one.start <= begin and end <= one.stop]
    if not holding:
        return _assignment(row, begin, end)
    smallest = min(holding, key=lambda one: one.stop - one.start)
    return smallest.start, smallest.stop


def _assignment(row: bytes, begin: int, end: int) -> tuple[int, int]:
    """A `key=value` of logfmt with its quotes and one space; just the value where it is none."""
    start, stop = begin, end
    if row[start - 1 : start] in (b'"', b"'") and row[stop : stop + 1] == row[start - 1 : start]:
        start, stop = start - 1, stop + 1
    if row[start - 1 : start] != b"=":
        return begin, end
    head = row[: start - 1]
    start = len(head.rstrip(_KEY))
    return start - (row[start - 1 : start] == b" "), stop
