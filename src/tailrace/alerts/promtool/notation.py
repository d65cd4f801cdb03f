"""Series and their values as unit tests of rules write them: `up{job="a"}` and `1+1x10 _ stale`.

a       a number, also NaN, Inf and -Inf
axn     a and n more of it
a+bxn   a and n more, each b larger; a-bxn each b less
_       no sample; _xn n times
stale   the marker by which Prometheus ends a series
"""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from tailrace.core.alerting import Labels
from tailrace.core.errors import QueryError
from tailrace.core.limits import RULE_TEST_SAMPLES
from tailrace.query.promql.ast import NAME, Selector
from tailrace.query.promql.parser import parse

# None is no sample.
Value: TypeAlias = float | Literal["stale"] | None

# Not hexadecimal: 0x5 is 0 and five more.
_NUMBER = r"(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,3})?"
_ITEM = re.compile(
    r"(?P<gap>_)(?:x(?P<gaps>[0-9]{1,9}))?"
    r"|(?P<stale>stale)"
    rf"|(?P<first>[+-]?(?:{_NUMBER}|[iI]nf|NaN|nan))"
    rf"(?:(?P<each>[+-]{_NUMBER})?x(?P<more>[0-9]{{1,9}}))?"
)
_WORD = re.compile(r"\S+")
_PLAIN = {"", "{}"}


class BadNotation(Exception):
    """`at` is the character of the text that is wrong."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


def values(text: str, most: int = RULE_TEST_SAMPLES) -> tuple[Value, ...]:
    """The values that a notation stands for, at most `most`. Raises BadNotation."""
    found: list[Value] = []
    for word in _WORD.finditer(text):
        item = _ITEM.fullmatch(word[0])
        if item is None:
            histograms = "; histograms are not supported" if word[0].startswith("{{") else ""
            message = f"{word[0][:40]!r} is none of 1, 1x5, 1+2x5, _, _x5 and stale{histograms}"
            raise BadNotation(message, word.start())
        count = 1 + int(item["more"] or 0) if item["first"] else int(item["gaps"] or 1)
        if len(found) + count > most:
            raise BadNotation(f"more than {most} samples (RULE_TEST_SAMPLES)", word.start())
        found += _expanded(item, count)
    return tuple(found)


def _expanded(item: re.Match[str], count: int) -> list[Value]:
    if item["gap"]:
        return [None] * count
    if item["stale"]:
        return ["stale"]
    first, each = float(item["first"]), float(item["each"] or 0)
    # Added up one by one, as promtool does, to the last bit.
    made: list[Value] = []
    for _ in range(count):
        made.append(first)
        first += each
    return made


def labels(text: str) -> Labels:
    """Of `name{a="b"}`, sorted, with the name as `__name__`; none of `{}`. Raises BadNotation."""
    if text.strip() in _PLAIN:
        return ()
    try:
        tree = parse(text)
    except QueryError as error:
        raise BadNotation(str(error), max(error.position, 0)) from None
    if not isinstance(tree, Selector) or tree.offset_ns or tree.at is not None:
        raise BadNotation("a series is written as its name and labels in braces", 0)
    found: dict[str, str] = {}
    for matcher in tree.matchers:
        if matcher.op != "=":
            raise BadNotation(f"a label of a series is equal to its value, not {matcher.op}", 0)
        if matcher.name in found:
            raise BadNotation(f"the label {matcher.name} is there twice", 0)
        found[matcher.name] = matcher.value
    return tuple(sorted((name, value) for name, value in found.items() if value))


def shown(found: Labels) -> str:
    """The text of `labels`."""
    known = dict(found)
    name = known.pop(NAME, "")
    inner = ", ".join(f"{key}={_quoted(value)}" for key, value in sorted(known.items()))
    return f"{name}{{{inner}}}" if inner or not name else name


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
