"""Functions on text."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any
from urllib.parse import quote_plus, unquote_plus

import re2

from tailrace.core.limits import PIPELINE_JSON_DEPTH
from tailrace.query.expressions import compiled
from tailrace.query.pipeline import units
from tailrace.query.pipeline.template.function import Function, fits
from tailrace.query.pipeline.template.values import TemplateError, Value, is_true, shown

_PATTERN_CHARS = 4_096
_REFERENCE = re.compile(r"\$(?:\$|([A-Za-z0-9_]++)|\{([A-Za-z0-9_]++)\})", re.ASCII)
_BAD_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_HTML = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;", "\0": "\ufffd"}
)
# Spaces of Unicode, as Go has them.
_SPACES = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)


def _replace(text: str, old: str, new: str, count: int) -> str:
    found = text.count(old) if count < 0 else min(text.count(old), count)
    fits(len(text) + found * len(new))
    return text.replace(old, new, count)


def _repeat(count: int, text: str) -> str:
    if count < 0:
        raise TemplateError("repeat: a negative count")
    fits(count * len(text))
    return text * count


def _indent(spaces: int, text: str) -> str:
    fits(len(text) + max(0, spaces) * (text.count("\n") + 1))
    pad = " " * spaces
    return pad + text.replace("\n", "\n" + pad)


def _align_left(width: int, text: str) -> str:
    fits(width)
    return text if width < 0 else text[:width].ljust(width)


def _align_right(width: int, text: str) -> str:
    fits(width)
    return text if width < 0 else text[max(0, len(text) - width) :].rjust(width)


def _substr(start: int, end: int, text: str) -> str:
    if start < 0:
        return text[: max(0, end)]
    if end < 0 or end > len(text):
        return text[start:]
    return text[start:end]


def _trunc(count: int, text: str) -> str:
    if count < 0:
        return text[count:]
    return text[:count]


def title(text: str) -> str:
    """Each word with a capital."""
    parts: list[str] = []
    in_word = False
    for char in text:
        parts.append(char if in_word else char.title() if char.isalpha() else char)
        in_word = char.isalnum() or char == "_" or (char > "\x7f" and not char.isspace())
    return "".join(parts)


def _b64dec(text: str) -> str:
    try:
        return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True).decode(
            "utf-8", "replace"
        )
    except (binascii.Error, ValueError):
        raise TemplateError("b64dec: the text is not base64") from None


def _urldecode(text: str) -> str:
    if _BAD_PERCENT.search(text):
        raise TemplateError("urldecode: a % without two hexadecimal digits")
    return unquote_plus(text, errors="replace")


def _bytes(text: str) -> float:
    found = units.size_bytes(text)
    if found is None:
        raise TemplateError(f"bytes: {text[:100]!r} is no size")
    return found


def _seconds(text: str) -> float:
    found = units.duration_seconds(text)
    if found is None:
        raise TemplateError(f"duration: {text[:100]!r} is no duration")
    return found


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_JSON = json.JSONDecoder(parse_int=float, parse_constant=_refused)


def _from_json(text: str) -> Value:
    try:
        value = _JSON.decode(text)
    except (ValueError, RecursionError):
        return ""
    deep = text.count("[") + text.count("{") > PIPELINE_JSON_DEPTH
    return "" if deep and _too_deep(value) else value


def _too_deep(value: Value) -> bool:
    """Whether showing it would take more calls than there may be."""
    level = [value]
    for _ in range(PIPELINE_JSON_DEPTH):
        inner: list[Value] = []
        for one in level:
            if isinstance(one, dict):
                inner += one.values()
            elif isinstance(one, list):
                inner += one
        level = inner
    return any(isinstance(one, dict | list) for one in level)


def regex(pattern: str) -> Any:
    """Compiled. Raises TemplateError."""
    if len(pattern) > _PATTERN_CHARS:
        raise TemplateError(f"a regex of more than {_PATTERN_CHARS} characters")
    try:
        return compiled(pattern)
    except ValueError:  # also of a pattern that is no UTF-8
        raise TemplateError(f"{pattern[:100]!r} is not valid RE2") from None


def _matches(pattern: str, text: str) -> Any:
    """Matches in turn; an empty one that touches the one before it does not count."""
    last = -1
    for found in regex(pattern).finditer(text):
        if found.end() > found.start() or found.start() != last:
            last = found.end()
            yield found


def _count(pattern: str, text: str) -> int:
    return sum(1 for _ in _matches(pattern, clean(text)))


def clean(text: str) -> str:
    """`text` as it can be written in UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def replace_all(pattern: str, text: str, replacement: str, expands: bool = True) -> str:
    """Go's ReplaceAllString; without `expands` `$1` is nothing special. Raises TemplateError."""
    text = clean(text)
    parts: list[str] = []
    at = chars = 0
    for found in _matches(pattern, text):
        parts.append(text[at : found.start()])
        parts.append(_expanded(replacement, found) if expands else replacement)
        chars += len(parts[-1]) + len(parts[-2])
        fits(chars)
        at = found.end()
    return "".join([*parts, text[at:]])


def _expanded(replacement: str, found: Any) -> str:
    if "$" not in replacement:
        return replacement
    chars = 0

    def fill(reference: re.Match[str]) -> str:
        nonlocal chars
        name = reference[1] or reference[2]
        if name is None:
            return "$"
        text = _group(found, name)
        chars += len(text)
        fits(chars)
        return text

    return _REFERENCE.sub(fill, replacement)


def _group(found: Any, name: str) -> str:
    try:
        value = found.group(int(name) if name.isdigit() and len(name) < 6 else name)
    except (IndexError, KeyError, re2.error):
        return ""
    return value or ""


TEXTS: dict[str, Function] = {
    "ToLower": Function("s", str.lower),
    "ToUpper": Function("s", str.upper),
    "Replace": Function("sssi", _replace),
    "Trim": Function("ss", lambda text, chars: text.strip(chars) if chars else text),
    "TrimLeft": Function("ss", lambda text, chars: text.lstrip(chars) if chars else text),
    "TrimRight": Function("ss", lambda text, chars: text.rstrip(chars) if chars else text),
    "TrimPrefix": Function("ss", str.removeprefix),
    "TrimSuffix": Function("ss", str.removesuffix),
    "TrimSpace": Function("s", lambda text: text.strip(_SPACES)),
    "alignLeft": Function("is", _align_left),
    "alignRight": Function("is", _align_right),
    "b64dec": Function("s", _b64dec),
    "b64enc": Function(
        "s", lambda text: base64.b64encode(text.encode("utf-8", "replace")).decode()
    ),
    "bytes": Function("s", _bytes),
    "contains": Function("ss", lambda part, text: part in text),
    "count": Function("ss", _count),
    "default": Function("aa", lambda fallback, value: value if is_true(value) else fallback),
    "duration": Function("s", _seconds),
    "duration_seconds": Function("s", _seconds),
    "fromJson": Function("s", _from_json),
    "hasPrefix": Function("ss", lambda part, text: text.startswith(part)),
    "hasSuffix": Function("ss", lambda part, text: text.endswith(part)),
    "html": Function("a", lambda value: shown(value).translate(_HTML)),
    "indent": Function("is", _indent),
    "lower": Function("s", str.lower),
    "nindent": Function("is", lambda spaces, text: "\n" + _indent(spaces, text)),
    "regexReplaceAll": Function("sss", replace_all),
    "regexReplaceAllLiteral": Function("sss", lambda p, t, r: replace_all(p, t, r, False)),
    "repeat": Function("is", _repeat),
    "replace": Function("sss", lambda old, new, text: _replace(text, old, new, -1)),
    "substr": Function("iis", _substr),
    "title": Function("s", title),
    "toString": Function("a", shown),
    "trim": Function("s", lambda text: text.strip(_SPACES)),
    "trimAll": Function("ss", lambda chars, text: text.strip(chars) if chars else text),
    "trimPrefix": Function("ss", lambda part, text: text.removeprefix(part)),
    "trimSuffix": Function("ss", lambda part, text: text.removesuffix(part)),
    "trunc": Function("is", _trunc),
    "upper": Function("s", str.upper),
    "urldecode": Function("s", _urldecode),
    "urlencode": Function("s", lambda text: quote_plus(text, errors="replace")),
    "urlquery": Function("a", lambda value: quote_plus(shown(value), errors="replace")),
}
