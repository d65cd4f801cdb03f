"""Rows of an answer as a table for a terminal; see core/visible.py."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tailrace.core.visible import visible

_RIGHT = ("UInt", "Int", "Float", "Decimal")
# Beyond it a column is no longer made wider: what is longer than that pushes its own line only.
WIDEST = 120


def render(meta: Sequence[Mapping[str, str]], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Lines: names, a rule, rows. Numbers stand at the right; a line break is shown as `\\n`."""
    names = [one["name"] for one in meta]
    right = [_plain(one["type"]).startswith(_RIGHT) for one in meta]
    cells = [[_text(row.get(name)) for name in names] for row in rows]
    heads = [visible(name) for name in names]
    widths = [min(max(map(_width, column)), WIDEST) for column in zip(heads, *cells, strict=True)]
    yield _line(heads, widths, right)
    yield "  ".join("─" * width for width in widths) + "\n"
    for row in cells:
        yield _line(row, widths, right)
    yield f"{len(cells)} row{'' if len(cells) == 1 else 's'}\n"


def _plain(kind: str) -> str:
    for wrap in ("LowCardinality(", "Nullable("):
        kind = kind.removeprefix(wrap)
    return kind


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return visible(value).replace("\t", "\\t")
    return visible(json.dumps(value, ensure_ascii=False))


def _width(text: str) -> int:
    """Columns of a terminal: wide characters take two, marks none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = []
    for text, width, end in zip(cells, widths, right, strict=True):
        space = " " * (width - _width(text))
        padded.append(space + text if end else text + space)
    return "  ".join(padded).rstrip() + "\n"
