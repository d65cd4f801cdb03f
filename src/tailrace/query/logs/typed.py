"""Numbers, durations and sizes of bytes out of the text of a label, in SQL.

Only the usual spellings are read. What else may stand there is for the pipeline, which knows all of
them and what is none.
"""

from __future__ import annotations

from dataclasses import dataclass

from tailrace.query.logql.ast import ValueKind
from tailrace.query.logs.condition import NotExpressible

_NUMBER = r"^[+-]?[0-9]{1,15}(?:\\.[0-9]{1,12})?(?:[eE][+-]?[0-9]{1,2})?$"
_DURATION = r"^[0-9]{1,9}(?:\\.[0-9]{1,9})?(?:ns|us|µs|ms|s|m|h)$"
_DURATION_UNITS = (
    "transform(extract({text}, '[a-zµ]+$'), ['ns', 'us', 'µs', 'ms', 's', 'm', 'h'], "
    "[1, 1000, 1000, 1000000, 1000000000, 60000000000, 3600000000000], 0)"
)
_BYTES = r"^[0-9]{1,15}(?:B|kB|KB|MB|GB|KiB|MiB|GiB)$"
_BYTES_UNITS = (
    "transform(extract({text}, '[A-Za-z]+$'), ['B', 'kB', 'KB', 'MB', 'GB', 'KiB', 'MiB', 'GiB'], "
    "[1, 1000, 1000, 1000000, 1000000000, 1024, 1048576, 1073741824], 0)"
)
_DIGITS = "extract({text}, '^[0-9.]+')"


@dataclass(frozen=True)
class Typed:
    """`value`, a Float64, where `readable` holds; elsewhere it is any number."""

    value: str
    readable: str


def typed(text: str, kind: ValueKind) -> Typed:
    """`text`, SQL of a String, as a number, in nanoseconds or in bytes. Raises NotExpressible."""
    if kind == "number":
        return Typed(f"toFloat64OrZero({text})", f"match({text}, '{_NUMBER}')")
    if kind == "duration":
        digits, unit = _DIGITS.format(text=text), _DURATION_UNITS.format(text=text)
        readable = f"match({text}, '{_DURATION}')"
        # What is not read may be too large to be multiplied, which would fail the statement.
        value = f"toFloat64(floor(toDecimal128OrZero(if({readable}, {digits}, '0'), 9) * {unit}))"
        return Typed(value, readable)
    if kind == "bytes":
        digits, unit = _DIGITS.format(text=text), _BYTES_UNITS.format(text=text)
        return Typed(f"toFloat64(toUInt64OrZero({digits}) * {unit})", f"match({text}, '{_BYTES}')")
    raise NotExpressible(kind)
