"""Rows with values replaced, still valid in their format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tailrace.guard.members import Member, members
from tailrace.guard.values import number_quotes

_COMMA, _SPACES = b",", b" \t\x1e"


class Edit(NamedTuple):
    """`data[start:stop]` becomes `text`; None drops the field that holds it."""

    start: int
    stop: int
    text: bytes | None


def rewritten(data: bytes, start: int, stop: int, edits: Sequence[Edit]) -> bytes:
    """The row `data[start:stop]` with its edits, which are ascending and do not overlap."""
    drops = [edit for edit in edits if edit.text is None]
    pieces: list[bytes] = []
    done = start
    for edit in edits:
        if edit.text is not None:
            quote = number_quotes(data, edit.start, edit.stop, start, stop)
            pieces += (data[done : edit.start], quote, edit.text, quote)
            done = edit.stop
    if not drops:
        return b"".join((*pieces, data[done:stop]))
    return _without(data[start:stop], [Edit(a - start, b - start, t) for a, b, t in edits])


def _without(row: bytes, edits: Sequence[Edit]) -> bytes:
    """From the last to the first, so that what stands before keeps its place."""
    for edit in reversed(edits):
        if edit.text is None:
            row = _drop(row, edit)
        else:
            quote = number_quotes(row, edit.start, edit.stop, 0, len(row))
            row = row[: edit.start] + quote + edit.text + quote + row[edit.stop :]
    return row


def _drop(row: bytes, edit: Edit) -> bytes:
    member = _holder(row, edit)
    if member is None:
        start, stop = _assignment(row, edit)
        return row[:start] + row[stop:]
    start, stop = member.start, member.stop
    behind = row[stop:].lstrip(_SPACES)
    before = row[:start].rstrip(_SPACES)
    if behind[:1] == _COMMA:
        return row[:start] + behind[1:].lstrip(_SPACES)
    return before.removesuffix(_COMMA) + row[stop:]


def _holder(row: bytes, edit: Edit) -> Member | None:
    """The smallest member that holds the value."""
    holding = [
        member
        for member in members(row, 0, len(row))
        if member.start <= edit.start and edit.stop <= member.stop
    ]
    return min(holding, key=lambda member: member.stop - member.start, default=None)


def _assignment(row: bytes, edit: Edit) -> tuple[int, int]:
    """A `key=value` of logfmt with its quotes and one space; just the value where it is none."""
    start, stop = edit.start, edit.stop
    quoted = (
        row[start - 1 : start] in (b'"', b"'") and row[stop : stop + 1] == row[start - 1 : start]
    )
    if quoted:
        start, stop = start - 1, stop + 1
    if row[start - 1 : start] != b"=":
        return edit.start, edit.stop
    start -= 1
    while (start and row[start - 1 : start].isalnum()) or row[start - 1 : start] in (
        b"_",
        b"-",
        b".",
    ):
        start -= 1
    if row[start - 1 : start] == b" ":
        start -= 1
    return start, stop
