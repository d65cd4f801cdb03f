"""Decoding hints from query parameters."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tailrace.core import limits
from tailrace.core.errors import InputError
from tailrace.core.frame import CANONICAL, Hints

TIME_UNITS = ("auto", "s", "ms", "us", "ns", "rfc3339")
_KEYS = {
    "time_key": "time",
    "severity_key": "severity",
    "body_key": "body",
    "service_key": "service",
    "trace_id_key": "trace_id",
    "span_id_key": "span_id",
}
PARAMETERS = (*_KEYS, "time_unit")


def from_parameters(parameters: Mapping[str, str]) -> Hints:
    """Hints of the parameters in PARAMETERS; CANONICAL when none is given.

    Raises InputError ("parameter") for an empty or too long key and an unknown time unit.
    """
    given = {_KEYS[name]: key for name, key in parameters.items() if name in _KEYS}
    for name in _KEYS:
        key = parameters.get(name)
        if key is not None and not 0 < len(key) <= limits.LABEL_VALUE_BYTES // 16:
            raise InputError(
                f"query parameter {name} must be 1 to {limits.LABEL_VALUE_BYTES // 16} characters",
                "parameter",
            )
    unit = parameters.get("time_unit")
    if unit is not None and unit not in TIME_UNITS:
        raise InputError(
            f"query parameter time_unit must be one of {', '.join(TIME_UNITS)}", "parameter"
        )
    if not given and unit is None:
        return CANONICAL
    return Hints(**given, time_unit=unit or "auto", foreign=True)


def foreign(hints: Hints) -> Hints:
    """The hints to read records with that turned out not to be canonical."""
    return (
        hints if hints.foreign else msgspec.structs.replace(hints, foreign=True, time_unit="auto")
    )
