"""The label string of a Loki stream: `{app="shop", level="info"}`."""

from __future__ import annotations

import re

from tailrace.core.errors import InputError

_PAIR = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_.:-]*)\s*=\s*"((?:[^"\\]|\\.)*+)"\s*(,|\Z)', re.S)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|[0-7]{3}|.)", re.S)
_SIMPLE = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def parse(text: str) -> dict[str, str]:
    """Labels by name. Raises InputError ("labels") that says at which character it is wrong."""
    text = text.strip()
    if not (text.startswith("{") and text.endswith("}") and len(text) > 1):
        raise InputError('stream labels must look like {app="shop", env="prod"}', "labels")
    inner, position = text[1:-1].rstrip(), 0
    labels: dict[str, str] = {}
    while position < len(inner):
        found = _PAIR.match(inner, position)
        if found is None:
            raise InputError(
                f'stream labels are malformed at character {position + 1}: expected name="value"',
                "labels",
            )
        labels[found[1]] = _ESCAPE.sub(_unescape, found[2]) if "\\" in found[2] else found[2]
        position = found.end()
    return labels


def _unescape(found: re.Match[str]) -> str:
    code = found[1]
    if code[0] in "uUx" and len(code) > 1:
        number = int(code[1:], 16)
    elif len(code) == 3:
        number = int(code, 8)
    else:
        return _SIMPLE.get(code, code)
    return "\ufffd" if number > 0x10FFFF or 0xD800 <= number < 0xE000 else chr(number)
