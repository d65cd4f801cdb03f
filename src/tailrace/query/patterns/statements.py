"""The statement of a line: its shape without what people and machines are called, so that what one
place in a program says is one statement, whatever it is about, and may be told to people.

A shape still holds what varies and has no digit: names of users and hosts, addresses of mail,
paths, quoted texts, values of fields. Each becomes `<_>` as well, but for what fields say of what
happened, such as `msg`. It is a function of the shape alone, so the same line always gives the same
statement. A bare word, such as a name that nothing announces, stays.
"""

from __future__ import annotations

import re

from tailrace.query.patterns.shapes import ANY, finished

# Fields whose text is what the line says; of others the value is of one case.
_SAYS = frozenset({
    "code", "err", "error", "event", "exception", "kind", "level", "lvl", "logger", "message",
    "msg", "reason", "severity", "status", "type",
})  # fmt: skip
_FIELD = (
    r"""(?:\\?"(?P<json>[\w.@-]{1,64})\\?"\s*:\s*|(?<![\w.-])(?P<word>[A-Za-z_][\w.-]{0,63})=)"""
)
_QUOTED = r"""\\?"(?:[^"\\]|\\[^"])*\\?(?:"|\Z)|(?<!\w)'[^']*'(?!\w)|`[^`]*`"""
_BARE = r"""[^\s"'`,;&(){}\[\]]+"""
_VALUED = re.compile(rf"{_FIELD}(?P<value>{_QUOTED}|{_BARE})|(?P<quoted>{_QUOTED})")
_NAMED = re.compile(
    r"""[^\s"'`<>()\[\]{},;=]+@[^\s"'`<>()\[\]{},;=]+"""  # mail, and user@host
    r"""|\b[A-Za-z][\w+.-]*://[^\s"'`()\[\]{},;]+"""
    r"""|(?<![\w/.<>])~?(?:/[^\s"'`()\[\]{},;:=/]+)+/?"""  # paths
    r"""|(?<![\w.>])(?:[a-z<][a-z_<>-]*\.){2,}[a-z<][a-z_<>-]*(?=:<_>)"""  # host:port
    r"""|(?<=\buser )(?!<_>)[^\s"'`,;:()\[\]{}]+"""
)


def statement(shape: str) -> str:
    """Of a finished shape; a statement of its own is itself."""
    for _ in range(2):  # what is left where something was taken out may be run together
        shape = finished(_NAMED.sub(ANY, _VALUED.sub(_value, shape)))
    return shape


def _value(found: re.Match[str]) -> str:
    if quoted := found["quoted"]:
        return _emptied(quoted)
    value = found["value"]
    name = found["json"] or found["word"]
    if name.lower() in _SAYS or value in ("true", "false", "null"):
        return found[0]
    return found[0][: -len(value)] + (_emptied(value) if value[0] in "\\\"'`" else ANY)


def _emptied(quoted: str) -> str:
    """`"..."` as `"<_>"`; one that is empty stays."""
    start = quoted[: 2 if quoted[0] == "\\" else 1]
    end = start if quoted.endswith(start) and len(quoted) >= 2 * len(start) else ""
    inner = quoted[len(start) : len(quoted) - len(end)]
    return f"{start}{ANY if inner else ''}{end}"
