"""Patterns such as `<ip> - <_>` as SQL: literals, and captures that end at the next one.

Bytes are looked at, not characters, as RE2's `\\C` does. In valid UTF-8 a literal stands at the
same places either way, and what is between two literals has a character where it has a byte.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tailrace.query.binder import Binder
from tailrace.query.logql.ast import PatternParser
from tailrace.query.logs.condition import Field, all_of
from tailrace.query.needle import in_order
from tailrace.query.pipeline import pattern

_SPECIAL = re.compile(r"[^A-Za-z0-9_\x80-\U0010ffff]")


def follows(text: str, position: int, bind: Binder) -> str:
    """SQL that holds for lines that follow the whole pattern. Raises QueryError."""
    found = pattern.parse(text, position)
    literals = [found.start, *(capture.until for capture in found.captures)]
    if len(literals) == 1:
        return f"Body = {bind.text(text)}"
    regex = bind.text("^" + r"\C+".join(map(_literal, literals)) + "$")
    # The regular expression alone would not be looked up in the index of grams.
    return all_of(in_order(literals, bind), f"match(Body, {regex})")


def captures(parser: PatternParser, bind: Binder) -> Callable[[str], Field]:
    """SQL of the labels that the captures of a line make. Raises QueryError."""
    found = pattern.parse(parser.pattern, parser.position)
    rest = ""
    for one in reversed(found.captures):
        group = "(?:{})" if one.name == "_" else "({})"
        # As short as it can be: to the first place of the literal, or the end where there is none.
        part, until = (r"\C*?", f"(?:{_literal(one.until)}{rest}|$)") if one.until else (r"\C*", "")
        rest = f"{group.format(part)}{until}"
    groups = bind.text(f"^{_literal(found.start)}{rest}")
    named = [one.name for one in found.captures if one.name != "_"]

    def extract(name: str) -> Field:
        if name not in named:
            return Field("''")
        text = f"extractGroups(Body, {groups})[{named.index(name) + 1}]"
        reached = bind.text(_before(found, name))
        return Field(text, blank=f"({text} = '' AND Body != '' AND match(Body, {reached}))")

    return extract


def _before(found: pattern.Pattern, name: str) -> str:
    """RE2 for lines that follow a pattern as far as the capture `name`."""
    count = [one.name for one in found.captures].index(name)
    return f"^{_literal(found.start)}" + "".join(
        rf"\C*?{_literal(one.until)}" for one in found.captures[:count]
    )


def _literal(text: str) -> str:
    """RE2 for the very text."""
    return _SPECIAL.sub(lambda found: rf"\x{{{ord(found[0]):x}}}", text)
