"""Rows with values replaced, still valid in their format."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from tailrace.guard.detectors.detector import NAME_BYTES
from tailrace.guard.members import Member, members
from tailrace.guard.values import Quotes

_BLANKS = b" \t\x1e"
_WHOLE = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][+\-]?\d+)?")
_NUMBER = frozenset(b"0123456789+-.eE")
_NEXT = re.compile(rb"[ \t\x1e]*(?:(?P<comma>,)[ \t\x1e]*|(?=[}\]]))")
_Change = tuple[int, int, "bytes | None"]
_KEY_BYTES = 100


class Edit(NamedTuple):
    """`data[start:stop]` becomes `text`; with `drop` the field that holds it goes, if one does."""

    start: int
    stop: int
    text: bytes
    drop: bool = False


def rewritten(data: bytes, start: int, stop: int, edits: Sequence[Edit]) -> bytes:
    """The row `data[start:stop]` with its edits, which are ascending and do not overlap."""
    quotes = Quotes(data, start, stop)
    changes = [_replaced(data, start, stop, quotes, edit) for edit in edits]
    if any(edit.drop for edit in edits):
        changes = _with_fields(data, start, stop, edits, changes)
    pieces: list[bytes] = []
    done = start
    for begin, end, text in changes:
        if text is None:
            pieces.append(data[done:begin])
            done = _behind_comma(data, end, stop, pieces)
        elif begin >= done:
            pieces += (data[done:begin], text)
            done = end
    return b"".join((*pieces, data[done:stop]))


def _replaced(data: bytes, start: int, stop: int, quotes: Quotes, edit: Edit) -> _Change:
    """Of a number of JSON all of it is replaced, by a text in quotes."""
    begin, end, text, _ = edit
    while begin > start and data[begin - 1] in _NUMBER:
        begin -= 1
    while end < stop and data[end] in _NUMBER:
        end += 1
    if data[begin : begin + 1] in (b"{", b"[") or _WHOLE.fullmatch(data, begin, end):
        quote = quotes.of(begin, end)
        if quote:
            return begin, end, quote + text + quote
    return edit.start, edit.stop, text


def _with_fields(
    data: bytes, start: int, stop: int, edits: Sequence[Edit], changes: Sequence[_Change]
) -> list[_Change]:
    """With whole fields, None, in the place of the values that are dropped, where they have one."""
    waiting = sorted(members(data, start, stop), key=lambda one: (one.start, -one.stop))[::-1]
    holding: list[Member] = []
    found: list[_Change] = []
    for edit, change in zip(edits, changes, strict=True):
        while waiting and waiting[-1].start <= edit.start:
            holding.append(waiting.pop())
        while holding and holding[-1].stop < edit.stop:
            holding.pop()
        if edit.drop and holding:
            change = (holding[-1].start, holding[-1].stop, None)
        elif edit.drop and (field := _assignment(data, start, edit)):
            change = (*field, None)
        if found and found[-1][2] is None and change[0] < found[-1][1]:
            continue  # its field is gone already
        while found and change[2] is None and found[-1][0] >= change[0]:
            found.pop()
        found.append(change)
    return found


def _behind_comma(data: bytes, end: int, stop: int, pieces: list[bytes]) -> int:
    """Where the row goes on behind a field that is gone, without the comma that is one too many."""
    match = _NEXT.match(data, end, stop)
    if match is None:
        return end
    if match["comma"]:
        return match.end()
    for at in range(len(pieces) - 1, -1, -1):
        left = pieces[at].rstrip(_BLANKS)
        if left:
            pieces[at] = left.removesuffix(b",")
            break
        pieces[at] = b""
    return end


def _assignment(data: bytes, low: int, edit: Edit) -> tuple[int, int] | None:
    """A `key=value` with its quotes and one space; None where it is none."""
    start, stop = edit.start, edit.stop
    if data[start - 1 : start] in (b'"', b"'") and data[stop : stop + 1] == data[start - 1 : start]:
        start, stop = start - 1, stop + 1
    head = data[max(low, start - _KEY_BYTES) : start - 1]
    name = len(head) - len(head.rstrip(NAME_BYTES))
    if start <= low or data[start - 1 : start] != b"=" or not name:
        return None
    start -= 1 + name
    return start - (start > low and data[start - 1 : start] == b" "), stop
