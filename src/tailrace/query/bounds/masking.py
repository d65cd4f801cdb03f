"""The text of a query without what it looks for.

The same for LogQL, PromQL and SQL: what is a string or a comment in any of them is masked, so
nothing has to be known of the text, which need not even be right. Long numbers are, too.
"""

from __future__ import annotations

import re

MASK = "…"
_DOUBLE = r'"(?:[^"\\]|\\(?:.|\Z))*(?:"|\Z)'
_SINGLE = r"'(?:[^'\\]|\\(?:.|\Z))*(?:'|\Z)"
# LogQL and PromQL: nothing is special within backticks.
_QUERY = rf"{_DOUBLE}|{_SINGLE}|`[^`]*(?:`|\Z)|#[^\n]*"
_SQL = (
    rf"{_DOUBLE}|{_SINGLE}|`(?:[^`\\]|\\(?:.|\Z))*(?:`|\Z)|#[^\n]*|--[^\n]*"
    r"|/\*.*?(?:\*/|\Z)|\$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z)"
)
_LANGUAGES = (re.compile(_QUERY, re.DOTALL), re.compile(_SQL, re.DOTALL))
# A card, a telephone, an account; no duration, limit or status.
_LONG = re.compile(r"\d[\d._ -]{5,}\d")
_QUOTES = "\"'`"


def masked(text: str) -> str:
    """`text` with each string as `"…"`, each comment and each number of 7 digits or more as `…`."""
    inner = bytearray(len(text))
    for language in _LANGUAGES:
        for found in language.finditer(text):
            start, end = found.span()
            quote = text[start]
            if quote in _QUOTES:
                start += 1
                end -= end > start and text[end - 1] == quote
            inner[start:end] = b"\1" * (end - start)
    for found in _LONG.finditer(text):
        start, end = found.span()
        inner[start:end] = b"\1" * (end - start)
    return "".join(_pieces(text, inner))


def _pieces(text: str, inner: bytearray) -> list[str]:
    """Each stretch that is to be masked as one mark."""
    found: list[str] = []
    start = 0
    while start < len(text):
        hidden = inner[start]
        end = inner.find(1 - hidden, start)
        end = len(text) if end < 0 else end
        found.append(MASK if hidden else text[start:end])
        start = end
    return found
