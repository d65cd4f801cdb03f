"""Labels made of others."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tailrace.core.errors import QueryError
from tailrace.query.expressions import compiled
from tailrace.query.labels import Labels
from tailrace.query.matrix.matrix import Matrix
from tailrace.query.matrix.merging import merged

_NAME = re.compile("[a-zA-Z_][a-zA-Z0-9_]*")
_REFERENCE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})")


def label_replace(
    operand: Matrix,
    destination: str,
    replacement: str,
    source: str,
    pattern: str,
    *,
    any_name: bool = False,
) -> Matrix:
    """Where `pattern` matches the whole of `source`, `destination` becomes `replacement`, in which
    `$1` and `${name}` are groups. `any_name`: labels may be called anything, as in PromQL. Raises
    QueryError."""
    _check_name("label_replace", destination, any_name)
    try:
        expression = compiled(f"^(?s:{pattern})$")
    except ValueError as error:
        raise QueryError(f"label_replace: not a regular expression of RE2: {error}") from None
    found = []
    for labels in operand.labels:
        own = dict(labels)
        matched = expression.match(own.get(source, ""))
        if matched:
            own[destination] = _expanded(replacement, matched)
        found.append(_sorted(own))
    return merged(found, operand.values, operand.present, operand.variance)


def label_join(operand: Matrix, destination: str, separator: str, sources: Sequence[str]) -> Matrix:
    """`destination` becomes the values of `sources`, joined; it may be called anything. Raises
    QueryError."""
    _check_name("label_join", destination, any_name=True)
    found = []
    for labels in operand.labels:
        own = dict(labels)
        own[destination] = separator.join(own.get(source, "") for source in sources)
        found.append(_sorted(own))
    return merged(found, operand.values, operand.present, operand.variance)


def _check_name(function: str, name: str, any_name: bool) -> None:
    if not (name if any_name else _NAME.fullmatch(name)):
        raise QueryError(f"{function}: {name[:64]!r} is no name of a label")


def _expanded(replacement: str, matched: re.Match[str]) -> str:
    """As Go expands: a group that is not there is empty, `$$` is a dollar."""

    def one(reference: re.Match[str]) -> str:
        dollar, plain, braced = reference.groups()
        if dollar:
            return "$"
        name = plain or braced
        try:
            value = matched.group(int(name) if name.isdigit() else name)
        except (IndexError, KeyError):
            return ""
        return value or ""

    return _REFERENCE.sub(one, replacement)


def _sorted(own: dict[str, str]) -> Labels:
    return tuple(sorted((name, value) for name, value in own.items() if value))
