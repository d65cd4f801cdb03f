"""Text that is safe to show: nothing that came in a log is sent raw to a terminal.

Control, escape, bidirectional and other invisible characters are shown as escapes.
"""

from __future__ import annotations

import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def is_hidden(char: str) -> bool:
    """Whether a terminal might obey `char` instead of showing it."""
    return unicodedata.category(char) in _HIDDEN


def visible(text: str) -> str:
    """`text` with every character that a terminal might obey shown as an escape; tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_visible, text))


def _visible(char: str) -> str:
    if char == "\t" or not is_hidden(char):
        return char
    point = ord(char)
    if char in "\n\r":
        return "\\n" if char == "\n" else "\\r"
    return f"\\x{point:02x}" if point < 256 else f"\\u{{{point:x}}}"
