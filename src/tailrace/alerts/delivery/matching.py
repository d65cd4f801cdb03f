"""Matchers of labels in Alertmanager's syntax: as text, and over label sets.

A list is `severity="page", name=~"a|b"`, with or without braces around it. A name may be quoted and
is any text then; a value may be left bare where it has no comma and no quote. Within quotes `\\\\`,
`\\"` and `\\n` are escapes, another backslash stands for itself. An expression is RE2's and matches
the whole value. A label that is missing is "".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import re2

from tailrace.core.alerting import Matcher

Labels = Mapping[str, str]
Predicate = Callable[[Labels], bool]

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_MATCHER = re.compile(
    rf"""\s*(?P<name>{_QUOTED}|[^\s{{}}!=~,\\"'`]+)
    \s*(?P<op>=~|!~|!=|=)
    \s*(?P<value>{_QUOTED}|[^",]*?)
    \s*(?:,\s*|$)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r'\\([n"\\])')
_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
# What one expression may take: thousands of names fit, and it is asked for every alert.
_OPTIONS.max_mem = 1 << 20


def parse(text: str) -> tuple[Matcher, ...]:
    """The matchers of a list, at least one. Raises ValueError, which says where."""
    inner = _unbraced(text.strip())
    found, place = [], 0
    while place < len(inner):
        match = _MATCHER.match(inner, place)
        if match is None:
            raise ValueError(f'{inner[place:]!r} is no matcher, such as severity="page"')
        one = Matcher(_text(match["name"]), match["op"], _text(match["value"]))
        predicate((one,))
        found.append(one)
        place = match.end()
    if not found:
        raise ValueError('there is no matcher in it, such as severity="page"')
    return tuple(found)


def _unbraced(text: str) -> str:
    if text.startswith("{") != text.endswith("}"):
        raise ValueError(f"{text!r} has one brace without the other")
    return text.removeprefix("{").removesuffix("}").strip()


def _text(token: str) -> str:
    if not token.startswith('"'):
        return token
    return _ESCAPE.sub(lambda found: "\n" if found[1] == "n" else found[1], token[1:-1])


def written(matcher: Matcher) -> str:
    """As text that `parse` reads, always the same for the same matcher."""
    return f"{_name(matcher.name)}{matcher.op}{quoted(matcher.value)}"


def quoted(text: str) -> str:
    """Between quotes, with escapes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _name(name: str) -> str:
    return name if re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) else quoted(name)


def predicate(matchers: Sequence[Matcher]) -> Predicate:
    """Whether all of them match a label set. Raises ValueError for an expression that is none."""
    tests = [_test(matcher) for matcher in matchers]
    return lambda labels: all(test(labels) for test in tests)


def _test(matcher: Matcher) -> Predicate:
    name, value = matcher.name, matcher.value
    if matcher.op == "=":
        return lambda labels: labels.get(name, "") == value
    if matcher.op == "!=":
        return lambda labels: labels.get(name, "") != value
    whole = _expression(value).fullmatch
    if matcher.op == "=~":
        return lambda labels: whole(labels.get(name, "")) is not None
    return lambda labels: whole(labels.get(name, "")) is None


def _expression(pattern: str) -> Any:
    try:
        return re2.compile(pattern, _OPTIONS)
    except re2.error as error:
        said = error.args[0] if error.args else error
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise ValueError(f"{pattern!r} is no regular expression of RE2: {text}") from None
