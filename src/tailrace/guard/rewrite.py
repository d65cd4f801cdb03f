"""Rows with values replaced, still valid in their format."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from tailrace.guard.members import Member, members
from tailrace.guard.values import number_quotes

_BLANKS = b" \t\x1e"
_WHOLE = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][+\-]?\d+)?")
_NUMBER = frozenset(b"0123456789+-.eE")
_KEY = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-."


class Edit(NamedTuple):
    """`data[start:stop]` becomes `text`; with `drop` the field that holds it goes, if one does."""

    start: int
    stop: int
    text: bytes
    drop: bool = False


def rewritten(data: bytes, start: int, stop: int, edits: Sequence[Edit]) -> bytes:
    """The row `data[start:stop]` with its edits, which are ascending and do not overlap."""
    if any(edit.drop for edit in edits):
        row = data[start:stop]
        moved = [edit._replace(start=edit.start - start, stop=edit.stop - start) for edit in edits]
        return _with_drops(row, moved)
    pieces: list[bytes] = []
    done = start
    for edit in edits:
        begin, end, text = _replaced(data, start, stop, edit)
        pieces += (data[done:begin], text)
        done = end
    return b"".join((*pieces, data[done:stop]))


def _replaced(data: bytes, start: int, stop: int, edit: Edit) -> tuple[int, int, bytes]:
    """Of a number of JSON all of it is replaced, by a text in quotes."""
    begin, end, text, _ = edit
    while begin > start and data[begin - 1] in _NUMBER:
        begin -= 1
    while end < stop and data[end] in _NUMBER:
        end += 1
    if data[begin : begin + 1] in (b"{", b"[") or _WHOLE.fullmatch(data, begin, end):
        quote = number_quotes(data, begin, end, start, stop)
        if quote:
            return begin, end, quote + text + quote
    return edit.start, edit.stop, text


def _with_drops(row: bytes, edits: Sequence[Edit]) -> bytes:
    """From the last to the first, so that what stands before keeps its place."""
    held = list(members(row, 0, len(row)))
    fields = {edit: _field(row, held, edit) for edit in edits if edit.drop}
    gone: list[tuple[int, int]] = []
    for begin, end in sorted(field for field in fields.values() if field):
        if gone and begin < gone[-1][1]:
            gone[-1] = (gone[-1][0], max(gone[-1][1], end))
        else:
            gone.append((begin, end))
    changes: list[tuple[int, int, bytes | None]] = [(begin, end, None) for begin, end in gone]
    changes += [
        _replaced(row, 0, len(row), edit)
        for edit in edits
        if not fields.get(edit) and not any(a <= edit.start and edit.stop <= b for a, b in gone)
    ]
    for begin, end, text in sorted(changes, key=lambda change: change[:2], reverse=True):
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


def _field(row: bytes, held: Sequence[Member], edit: Edit) -> tuple[int, int] | None:
    """The smallest member that holds the value, or else its assignment in logfmt."""
    holding = [one for one in held if one.start <= edit.start and edit.stop <= one.stop]
    if not holding:
        return _assignment(row, edit)
    smallest = min(holding, key=lambda one: one.stop - one.start)
    return smallest.start, smallest.stop


def _assignment(row: bytes, edit: Edit) -> tuple[int, int] | None:
    """A `key=value` with its quotes and one space; None where it is none."""
    start, stop = edit.start, edit.stop
    if row[start - 1 : start] in (b'"', b"'") and row[stop : stop + 1] == row[start - 1 : start]:
        start, stop = start - 1, stop + 1
    head = row[: start - 1].rstrip(_KEY)
    if row[start - 1 : start] != b"=" or len(head) == start - 1:
        return None
    return len(head.removesuffix(b" ")), stop
