"""Functions on numbers: whole ones are of 64 bits, the others are reckoned in decimals."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Context, Decimal
from functools import reduce

from tailrace.query.pipeline import units
from tailrace.query.pipeline.template.function import Function
from tailrace.query.pipeline.template.values import TemplateError, Value

_WHOLE = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]{1,16}|0[bB][01]{1,64}|0[oO][0-7]{1,22})")
_DECIMAL = re.compile(r"([+-]?[0-9]{1,40})(?:\.0*)?", re.ASCII)
_REACH = Context(prec=34, Emin=-10_000, Emax=10_000)


def wrapped(value: int) -> int:
    """As 64 bits hold it."""
    return (value + 2**63) % 2**64 - 2**63


def whole(value: Value) -> int:
    """A value as an int; 0 for what is none."""
    match value:
        case bool() | int():
            return wrapped(int(value))
        case float():
            return wrapped(int(value)) if math.isfinite(value) else 0
        case str():
            decimal = _DECIMAL.fullmatch(value)
            if decimal:
                found = int(decimal[1])
            elif _WHOLE.fullmatch(value):
                found = int(value, 0)
            else:
                return 0
            return found if -(2**63) <= found < 2**63 else 0
        case _:
            return 0


def real(value: Value) -> float:
    """A value as a float; 0 for what is none."""
    match value:
        case bool() | int() | float():
            return float(value)
        case str():
            return units.number(value) or 0.0
        case _:
            return 0.0


def _divided(a: int, b: int) -> int:
    if not b:
        raise TemplateError("div: division by zero")
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _rest(a: int, b: int) -> int:
    if not b:
        raise TemplateError("mod: division by zero")
    return a - b * _divided(a, b)


def _of_whole(combine: Callable[[int, int], int]) -> Callable[..., int]:
    return lambda *values: reduce(lambda a, b: wrapped(combine(a, b)), map(whole, values))


def _of_decimals(combine: Callable[[Decimal, Decimal], Decimal]) -> Callable[..., float]:
    def call(*values: Value) -> float:
        decimals = [Decimal(repr(real(value))) for value in values]
        try:
            found = reduce(combine, decimals)
        except ArithmeticError:
            raise TemplateError("a number that is no number, or division by zero") from None
        if found.is_nan():
            raise TemplateError("the result is no number")
        return float(found)

    return call


def _rounded(value: Value, places: int, *up_from: float) -> float:
    number = real(value)
    border = float(up_from[0]) if up_from else 0.5
    if not math.isfinite(number) or abs(places) > 300:
        return number
    scaled = number * 10.0**places
    if not math.isfinite(scaled):
        return number
    fraction, _ = math.modf(scaled)
    return float(math.ceil(scaled) if fraction >= border else math.floor(scaled)) / 10.0**places


def _to_whole(turn: Callable[[float], int]) -> Callable[[Value], float]:
    def call(value: Value) -> float:
        number = real(value)
        return float(turn(number)) if math.isfinite(number) else number

    return call


NUMBERS: dict[str, Function] = {
    "add": Function("a", _of_whole(lambda a, b: a + b), "a"),
    "addf": Function("a", _of_decimals(_REACH.add), "a"),
    "ceil": Function("a", _to_whole(math.ceil)),
    "div": Function("aa", lambda a, b: wrapped(_divided(whole(a), whole(b)))),
    "divf": Function("a", _of_decimals(_REACH.divide), "a"),
    "float64": Function("a", real),
    "floor": Function("a", _to_whole(math.floor)),
    "int": Function("a", whole),
    "max": Function("a", lambda *values: max(map(whole, values)), "a"),
    "maxf": Function("a", lambda *values: max(map(real, values)), "a"),
    "min": Function("a", lambda *values: min(map(whole, values)), "a"),
    "minf": Function("a", lambda *values: min(map(real, values)), "a"),
    "mod": Function("aa", lambda a, b: wrapped(_rest(whole(a), whole(b)))),
    "mul": Function("a", _of_whole(lambda a, b: a * b), "a"),
    "mulf": Function("a", _of_decimals(_REACH.multiply), "a"),
    "round": Function("ai", _rounded, "f"),
    "sub": Function("aa", lambda a, b: wrapped(whole(a) - whole(b))),
    "subf": Function("a", _of_decimals(_REACH.subtract), "a"),
}
