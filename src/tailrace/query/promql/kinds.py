"""What kind of value an expression gives, and whether a function takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tailrace.query.promql.ast import (
    Binary,
    Call,
    Expression,
    Kind,
    Negative,
    Number,
    Subquery,
    Text,
    Window,
)
from tailrace.query.promql.functions import FUNCTIONS

SHOWN: Mapping[Kind, str] = {
    "scalar": "a number", "vector": "a vector", "matrix": "a range", "string": "a string",
}  # fmt: skip


def kind(tree: Expression) -> Kind:
    """A number, a series, samples of a window or a text."""
    match tree:
        case Number():
            return "scalar"
        case Text():
            return "string"
        case Window() | Subquery():
            return "matrix"
        case Call():
            return FUNCTIONS[tree.function].returns
        case Negative():
            return kind(tree.inner)
        case Binary():
            sides = {kind(tree.left), kind(tree.right)}
            return "scalar" if sides == {"scalar"} else "vector"
        case _:
            return "vector"


def wrong(function: str, arguments: Sequence[Expression]) -> str:
    """What is wrong with the arguments of a function; "" when they are right."""
    signature = FUNCTIONS[function]
    wanted = signature.arguments
    least = len(wanted) - signature.optional
    if len(arguments) < least or (len(arguments) > len(wanted) and not signature.more):
        count = f"{least}" if least == len(wanted) else f"{least} to {len(wanted)}"
        count = f"at least {least}" if signature.more else count
        plural = "" if count == "1" else "s"
        return f"{function} takes {count} argument{plural}, not {len(arguments)}"
    for number, one in enumerate(arguments):
        expected = wanted[min(number, len(wanted) - 1)]
        if kind(one) != expected:
            found = f"not {SHOWN[kind(one)]}"
            hint = " such as up[5m]" if expected == "matrix" else ""
            return f"{function} takes {SHOWN[expected]}{hint} as argument {number + 1}, {found}"
    return ""
