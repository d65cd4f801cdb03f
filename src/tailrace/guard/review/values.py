"""What the expressions of a logging statement would write."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tailrace.guard.review.names import rule_of, words

# What makes of a value something that may be logged. A word of the function's name.
_SAFE = frozenset(
    [
        "mask",
        "masked",
        "redact",
        "redacted",
        "hash",
        "hashed",
        "hmac",
        "digest",
        "sha256",
        "len",
        "bool",
        "type",
        "id",
        "pseudonym",
        "pseudonymise",
        "pseudonymize",
        "anonymise",
        "anonymize",
        "sanitize",
        "sanitise",
        "scrub",
        "censor",
        "obfuscate",
        "fingerprint",
        "isinstance",
        "hasattr",
        "truncate",
        "shorten",
        "last4",
        "count",
        "sum",
        "min",
        "max",
        "int",
        "float",
        "round",
        "hidden",
        "hide",
        "encrypt",
        "encrypted",
    ]
)
# What gives the value itself, in another form.
_WRAPPING = frozenset(
    [
        "str",
        "repr",
        "format",
        "dict",
        "vars",
        "list",
        "tuple",
        "dumps",
        "json",
        "loads",
        "decode",
        "encode",
        "strip",
    ]
)
_READING = frozenset({"read", "read_text", "readlines", "getvalue", "get_data", "fetchall"})
_DEPTH = 40


class Leak(NamedTuple):
    """`node` writes a value that breaks `rule`; `what` is the source's name for it."""

    rule: str
    node: ast.expr
    what: str


def leaks(expression: ast.expr, known: Mapping[str, ast.expr], depth: int = 0) -> Iterator[Leak]:
    """Of all values that `expression` writes. `known`: what local names were assigned before."""
    if depth > _DEPTH:
        return
    inner = depth + 1
    match expression:
        case ast.JoinedStr():
            for value in expression.values:
                if isinstance(value, ast.FormattedValue):
                    yield from leaks(value.value, known, inner)
        case ast.BinOp(ast.Constant(), ast.Mod(), right):
            yield from leaks(right, known, inner)
        case ast.BinOp(left, ast.Add(), right):
            yield from leaks(left, known, inner)
            yield from leaks(right, known, inner)
        case ast.BoolOp():
            for value in expression.values:
                yield from leaks(value, known, inner)
        case ast.IfExp(_, body, orelse):
            yield from leaks(body, known, inner)
            yield from leaks(orelse, known, inner)
        case ast.Tuple() | ast.List() | ast.Set():
            for value in expression.elts:
                yield from leaks(value, known, inner)
        case ast.Starred() | ast.NamedExpr() | ast.Await():
            yield from leaks(expression.value, known, inner)
        case ast.Dict():
            yield from _members(expression, known, inner)
        case ast.Call():
            yield from _call(expression, known, inner)
        case ast.Name(name):
            yield from _name(expression, name, known, inner)
        case ast.Attribute(_, name):
            if name == "__dict__":
                yield Leak("TR005", expression, ast.unparse(expression))
            elif rule := rule_of(name):
                yield Leak(rule, expression, ast.unparse(expression))
        case ast.Subscript():
            yield from _subscript(expression, known, inner)


def _members(expression: ast.Dict, known: Mapping[str, ast.expr], depth: int) -> Iterator[Leak]:
    for key, value in zip(expression.keys, expression.values, strict=True):
        found = list(leaks(value, known, depth))
        yield from found
        named = key.value if isinstance(key, ast.Constant) else ""
        if not found and isinstance(named, str) and not _is_harmless(value):
            rule = rule_of(named)
            if rule and rule not in ("TR005", "TR006"):
                yield Leak(rule, value, f"{named}={ast.unparse(value)}"[:80])


def _is_harmless(value: ast.expr) -> bool:
    """A constant, or what a safe function gives."""
    if isinstance(value, ast.Constant | ast.Compare):
        return True
    return isinstance(value, ast.Call) and _is_safe(_called(value))


def _name(
    expression: ast.Name, name: str, known: Mapping[str, ast.expr], depth: int
) -> Iterator[Leak]:
    assigned = known.get(name)
    if assigned is not None:
        if _is_harmless(assigned) and not isinstance(assigned, ast.Constant):
            return
        found = [
            leak._replace(node=expression)
            for leak in leaks(assigned, {**known, name: ast.Constant(0)}, depth)
        ]
        if found:
            yield from found
            return
        if isinstance(assigned, ast.Constant):
            return
    if rule := rule_of(name):
        yield Leak(rule, expression, name)


def _call(expression: ast.Call, known: Mapping[str, ast.expr], depth: int) -> Iterator[Leak]:
    called = _called(expression)
    if _is_safe(called):
        return
    func = expression.func
    if called in ("locals", "globals"):
        yield Leak("TR005", expression, f"{called}()")
    elif called in _READING and not expression.args:
        yield Leak("TR006", expression, ast.unparse(expression)[:80])
    elif called == "get" and expression.args and isinstance(expression.args[0], ast.Constant):
        key = expression.args[0].value
        if isinstance(key, str) and (rule := rule_of(key)):
            yield Leak(rule, expression, ast.unparse(expression)[:80])
    elif called == "join" or called in _WRAPPING:
        for value in expression.args:
            yield from leaks(value, known, depth)
        for keyword in expression.keywords:
            yield from leaks(keyword.value, known, depth)
        if isinstance(func, ast.Attribute) and called != "join":
            yield from leaks(func.value, known, depth)
    elif rule := rule_of(_gets(called)):
        yield Leak(rule, expression, ast.unparse(expression)[:80])


def _subscript(
    expression: ast.Subscript, known: Mapping[str, ast.expr], depth: int
) -> Iterator[Leak]:
    match expression.slice:
        case ast.Slice(_, upper, _) if upper is not None:
            # The start of a text is bounded, but the start of a secret is one still.
            for leak in leaks(expression.value, known, depth):
                if leak.rule not in ("TR005", "TR006"):
                    yield leak._replace(node=expression)
        case ast.Slice(ast.UnaryOp(ast.USub(), ast.Constant(int(last))), None, _) if last <= 4:
            return  # the last four
        case ast.Slice():
            yield from leaks(expression.value, known, depth)
        case ast.Constant(str(key)):
            if rule := rule_of(key):
                yield Leak(rule, expression, ast.unparse(expression)[:80])
        case _:
            for leak in leaks(expression.value, known, depth):
                if leak.rule in ("TR001", "TR002", "TR003", "TR004"):
                    yield leak._replace(node=expression)


def _called(node: ast.Call) -> str:
    func = node.func
    if isinstance(func, ast.Attribute):
        return func.attr
    return func.id if isinstance(func, ast.Name) else ""


def _is_safe(called: str) -> bool:
    return called in _SAFE or not _SAFE.isdisjoint(words(called))


def _gets(called: str) -> str:
    """`get_password` gives a password; `check_password` does not."""
    for verb in ("get_", "load_", "fetch_", "read_", "get", "load", "fetch", "read"):
        if called.startswith(verb):
            return called[len(verb) :]
    return ""
