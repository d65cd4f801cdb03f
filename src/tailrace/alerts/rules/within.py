"""Where a character of a scalar's value stands in the file.

YAML folds lines, cuts indentation and has escapes, and all of these change only blanks, or write
one character as several. So the characters that are no blanks are counted in both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tailrace.alerts.rules.nodes import Scalar

# What one character of the value is written as.
_PLAIN = re.compile(r"\S")
_UNITS: Mapping[str, re.Pattern[str]] = {
    "'": re.compile(r"''|\S"),
    '"': re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|\r\n|.)|\S", re.DOTALL),
}
# Escapes of blanks; those with digits are read.
_BLANK_ESCAPES = frozenset("tnvfr N_LP\t\n\r\x85\u2028\u2029")


def index_within(text: str, scalar: Scalar, offset: int) -> int:
    """The index in `text`, the file, of the character `offset` of the scalar's value; of one that
    is a blank, or the end, that of what comes after the last one before it that is none."""
    value = scalar.value
    wanted = sum(not char.isspace() for char in value[:offset])
    at_character = offset < len(value) and not value[offset].isspace()
    after = scalar.start
    for start, end in _characters(text, scalar):
        if not wanted:
            return start if at_character else after
        wanted -= 1
        after = end
    return after


def _characters(text: str, scalar: Scalar) -> list[tuple[int, int]]:
    """Start and end of each character of the value that is no blank."""
    start, end = scalar.start, scalar.end
    if scalar.style in ("|", ">"):
        # The first line has the sign only.
        start = min((at for at in (text.find("\n", start), text.find("\r", start)) if at >= 0),
                    default=end)  # fmt: skip
    elif scalar.style:
        start, end = start + 1, end - 1
    units = _UNITS.get(scalar.style, _PLAIN)
    found = units.finditer(text, start, end)
    return [one.span() for one in found if not _is_blank(one[0])]


def _is_blank(unit: str) -> bool:
    if len(unit) < 2 or unit[0] != "\\":
        return False
    if unit[1] in "xuU" and len(unit) > 2:
        point = int(unit[2:], 16)
        return point < 0x110000 and chr(point).isspace()
    return unit[1] in _BLANK_ESCAPES
