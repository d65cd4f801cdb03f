"""Functions on times. Local time is UTC."""

from __future__ import annotations

from tailrace.query.pipeline.template import gotime
from tailrace.query.pipeline.template.function import Function
from tailrace.query.pipeline.template.gotime import SECOND_NS
from tailrace.query.pipeline.template.values import TemplateError, Time, Value, kind

# Nanoseconds of a unit by how many digits an epoch has that counts it these years.
_EPOCHS = {5: 86_400 * SECOND_NS, 10: SECOND_NS, 13: 1_000_000, 16: 1_000, 19: 1}


def _date(layout: str, value: Value) -> str:
    if isinstance(value, Time):
        return gotime.formatted(value, layout)
    if type(value) is int:
        return gotime.formatted(Time(value * SECOND_NS), layout)
    raise TemplateError(f"date: expected time.Time, found {kind(value)}")


def _unix_to_time(text: str) -> Time:
    unit_ns = _EPOCHS.get(len(text))
    if unit_ns is None or not (text.isascii() and text.isdigit()):
        raise TemplateError(f"unixToTime: {text[:40]!r} has not 5, 10, 13, 16 or 19 digits")
    return Time(int(text) * unit_ns)


TIMES: dict[str, Function] = {
    "date": Function("sa", _date),
    "toDate": Function("ss", lambda layout, text: gotime.parsed(layout, text, "Local")),
    "toDateInZone": Function("sss", lambda layout, zone, text: gotime.parsed(layout, text, zone)),
    "unixEpoch": Function("t", lambda time: str(time.ns // SECOND_NS)),
    "unixEpochMillis": Function("t", lambda time: str(time.ns // 1_000_000)),
    "unixEpochNanos": Function("t", lambda time: str(time.ns)),
    "unixToTime": Function("s", _unix_to_time),
}
