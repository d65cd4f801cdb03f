"""`printf`, `print` and `println`, as Go's fmt writes them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence

from tailrace.core.limits import TEMPLATE_CHARS
from tailrace.query.pipeline.template.values import (
    TemplateError,
    Value,
    float_text,
    formatted,
    kind,
)

_VERB = re.compile(r"%([-+# 0]*)(\*|[0-9]{1,7})?(?:(\.)(\*|[0-9]{1,7})?)?(.)?", re.DOTALL)
_CONTROL = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
# More decimals than a float has digits.
_DECIMALS = 400


def printf(text: str, values: Sequence[Value]) -> str:
    """`text` with its verbs filled in. Raises TemplateError where it becomes too long."""
    out: list[str] = []
    chars = at = used = 0
    for found in _VERB.finditer(text):
        flags, wide, dot, exact, verb = found.groups()
        pieces = [text[at : found.start()]]
        at = found.end()
        if verb == "%":
            pieces.append("%")
        elif verb is None:
            pieces.append("%!(NOVERB)")
        else:
            width, used = _count(wide, values, used)
            if width < 0:
                flags, width = flags + "-", -width
            precision, used = _count(exact, values, used) if dot else (-1, used)
            if used >= len(values):
                pieces.append(f"%!{verb}(MISSING)")
            else:
                pieces.append(_padded(_verb(verb, flags, precision, values[used]), flags, width))
                used += 1
        out += pieces
        chars += sum(map(len, pieces))
        if chars > TEMPLATE_CHARS:
            raise TemplateError(f"printf writes more than {TEMPLATE_CHARS} characters")
    out.append(text[at:])
    if used < len(values):
        rest = ", ".join(f"{kind(one)}={formatted(one)}" for one in values[used:])
        out.append(f"%!(EXTRA {rest})")
    return "".join(out)


def sprint(values: Sequence[Value]) -> str:
    """With a space between two values where neither is text."""
    parts: list[str] = []
    for number, value in enumerate(values):
        if number and not isinstance(value, str) and not isinstance(values[number - 1], str):
            parts.append(" ")
        parts.append(formatted(value))
    return "".join(parts)


def _count(text: str | None, values: Sequence[Value], used: int) -> tuple[int, int]:
    if text != "*":
        count = int(text or 0)
    else:
        value = values[used] if used < len(values) else None
        used += 1
        count = value if type(value) is int else 0
    if abs(count) > TEMPLATE_CHARS:
        raise TemplateError("a width of printf is too large")
    return count, used


def _padded(text: str, flags: str, width: int) -> str:
    if "-" in flags:
        return text.ljust(width)
    if "0" in flags and text.lstrip("+-")[:1].isdigit():
        sign = text[0] if text[0] in "+-" else ""
        return sign + text[len(sign) :].rjust(width - len(sign), "0")
    return text.rjust(width)


def _verb(verb: str, flags: str, precision: int, value: Value) -> str:
    written: str | None = None
    if verb == "v":
        written = _plain(value, flags, precision)
    elif verb == "T":
        written = kind(value)
    elif isinstance(value, bool):
        written = formatted(value) if verb == "t" else None
    elif isinstance(value, str):
        written = _text(verb, precision, value)
    elif isinstance(value, int):
        written = _int(verb, flags, precision, value)
    elif isinstance(value, float):
        written = _float(verb, flags, precision, value)
    elif isinstance(value, list | dict) or verb == "s":
        written = formatted(value) if verb == "s" else None
    if value is None and verb != "v":
        return f"%!{verb}(<nil>)"
    if written is None:
        return f"%!{verb}({kind(value)}={formatted(value)})"
    return written


def _plain(value: Value, flags: str, precision: int) -> str:
    if isinstance(value, float) and precision >= 0:
        return _float("g", flags, precision, value) or ""
    if isinstance(value, str) and "#" in flags:
        return quoted(value)
    text = formatted(value)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and "+" in flags and text[0] not in "+-":
        return f"+{text}"
    return text[:precision] if isinstance(value, str) and precision >= 0 else text


def _text(verb: str, precision: int, value: str) -> str | None:
    cut = value[:precision] if precision >= 0 else value
    match verb:
        case "s":
            return cut
        case "q":
            return quoted(cut)
        case "x" | "X":
            digits = cut.encode("utf-8", "replace").hex()
            return digits.upper() if verb == "X" else digits
    return None


def quoted(text: str) -> str:
    """As Go would write the text in its source."""
    out = []
    for char in text:
        if char in '"\\':
            out.append("\\" + char)
        elif char in _CONTROL:
            out.append(_CONTROL[char])
        elif char.isprintable():
            out.append(char)
        else:
            code = ord(char)
            out.append(f"\\x{code:02x}" if code < 128 else json.dumps(char)[1:-1])
    return f'"{"".join(out)}"'


def _int(verb: str, flags: str, precision: int, value: int) -> str | None:
    sign = "-" if value < 0 else "+" if "+" in flags else " " if " " in flags else ""
    size = abs(value)
    match verb:
        case "d":
            return sign + str(size).rjust(precision, "0")
        case "x" | "X" | "o" | "b":
            prefix = {"x": "0x", "X": "0X", "o": "0", "b": "0b"}[verb] if "#" in flags else ""
            return sign + prefix + f"{size:{verb}}".rjust(precision, "0")
        case "c" | "q" if 0 <= value < 0x110000 and not 0xD800 <= value < 0xE000:
            return chr(value) if verb == "c" else f"'{chr(value)}'"
        case "U":
            return f"U+{size:04X}"
    return None


def _float(verb: str, flags: str, precision: int, value: float) -> str | None:
    if verb not in "eEfFgG":
        return None
    if not math.isfinite(value):
        return float_text(value)
    sign = "+" if "+" in flags else " " if " " in flags else ""
    if math.copysign(1.0, value) < 0:
        sign = ""
    precision = min(precision, _DECIMALS)
    if verb in "gG":
        text = float_text(value) if precision < 0 else f"{value:.{precision}g}"
        return sign + (text.upper() if verb == "G" else text)
    decimals = 6 if precision < 0 else precision
    if verb in "fF":
        return f"{sign}{value:.{decimals}f}"
    return sign + f"{value:.{decimals}{verb}}"
