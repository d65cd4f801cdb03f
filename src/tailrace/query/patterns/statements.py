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
_STATES = frozenset({"true", "false", "null"})
_MARKS = "\"'`"
_FIELD = r"""(?:"(?P<json>[\w.@-]{1,64})"\s*:\s*|(?<![\w.-])(?P<word>[A-Za-z_][\w.-]{0,63})=)"""
_QUOTED = r"""(?:"(?:[^"\\]|\\.)*(?:"|\Z)|(?<!\w)'[^']*'(?!\w)|`[^`]*`)"""
# Within a quoted text.
_ESCAPED = re.compile(r"""\\"(?:[^"\\]|\\[^"])+\\"|(?<!\w)'[^']+'(?!\w)|`[^`]+`""")
_BARE = r"""[^\s"'`,;&(){}\[\]]+"""
_VALUED = re.compile(rf"{_FIELD}(?P<value>{_QUOTED}|{_BARE})|(?P<quoted>{_QUOTED})")
# Each begins where a word does: from every place of a long word it would be looked for again.
_NAMED = re.compile(
    r"""(?<!\w)#[a-z][\w-]*:[\w<>]+|"""  # pseudonyms of the guard
    r"""(?<![^\s"'`<>()\[\]{},;=])[^\s"'`<>()\[\]{},;=]+@[^\s"'`<>()\[\]{},;=]+"""  # mail
    r"""|(?<![\w+.-])[A-Za-z][\w+.-]*://[^\s"'`()\[\]{},;]+"""
    r"""|(?:(?<![\w/.<>])(?:~|\.{1,2})?|<_>)(?:/[^\s"'`()\[\]{},;:=/]+)+/?"""  # paths
    r"""|(?<![\w.<>-])(?:[a-z<][a-z_<>-]*\.){2,}[a-z<][a-z_<>-]*(?=:<_>)"""  # host:port
    r"""|<_>(?:-[A-Za-z]+)+(?!\w)"""  # the end of a name, such as that of a pod: `shop-<_>-xkqzt`
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
    before = found[0][: -len(value)]
    name = found["json"] or found["word"]
    if name.lower() in _SAYS:
        return before + _inner(value)
    if value in _STATES:
        return found[0]
    return before + (_emptied(value) if value[0] in _MARKS else ANY)


def _inner(value: str) -> str:
    """What a field says, without what it quotes."""
    if value[0] not in _MARKS:
        return value
    return value[0] + _ESCAPED.sub(lambda one: _emptied(one[0]), value[1:])


def _emptied(quoted: str) -> str:
    """`"..."` as `"<_>"`; one that is empty stays."""
    mark = quoted[: 2 if quoted[0] == "\\" else 1]
    end = mark if quoted.endswith(mark) and len(quoted) >= 2 * len(mark) else ""
    inner = quoted[len(mark) : len(quoted) - len(end)]
    return f"{mark}{ANY if inner else ''}{end}"
