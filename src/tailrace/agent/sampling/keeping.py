"""What a row says that is worth keeping: its severity, how long it took, how it ended, its trace.

An expression finds the rows that may say so, all at once, and a method decides on each of these
few: of text by a closer look, of a record by parsing it and looking at the keys that matter.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Protocol

import msgspec

from tailrace.agent.inputs import Keep
from tailrace.agent.sampling.scanner import Expression
from tailrace.core import names
from tailrace.core.frame import Codec, Hints
from tailrace.core.plain import HEAD_BYTES, LEVELS, LOWER_LEVEL_WORD, TRACE_ID
from tailrace.wire import consistent

# The beginnings of all level words; what else begins so is told apart afterwards.
_STEMS = (
    "trace", "debug", "info", "notice", "warn", "err", "crit", "fatal", "alert", "panic", "emerg",
)  # fmt: skip
_UNITS = {
    b"ns": 1e-9,
    "(?:us|µs|μs)".encode(): 1e-6,  # both signs that look like a micro
    b"ms": 1e-3,
    b"s(?:ec(?:ond)?s?)?": 1.0,
}
_SECONDS = {b"n": 1e-9, b"u": 1e-6, "µ".encode(): 1e-6, "μ".encode(): 1e-6, b"m": 1e-3}
_UNIT = b"|".join(_UNITS)
_STATUS_KEYS = {
    "response_status_code": "http.response.status_code",
    "http_status_code": "http.status_code",
    "http_status": "http.status",
    "status_code": "status_code",
    "status": "status",
}
_FACTS = {"duration_ms": "duration_ms", "duration": "duration", **_STATUS_KEYS}
_COLON = rb"[ \t\r]*:[ \t\r]*"

_level = re.compile(LOWER_LEVEL_WORD.encode()).search
_trace_id = re.compile(TRACE_ID.encode()).search
# "12ms", "1.5 s", "1h2m3.5s"; and "duration_ms=12".
_durations = re.compile(
    rb"(?:^|[^\w.])(?:(\d+)h)?(?:(\d+)m)?(\d+(?:\.\d+)?) ?(%b)(?!\w)" % _UNIT
).finditer
_named_durations = re.compile(rb"_(%b)[\"']?[=:] ?[\"']?(\d+(?:\.\d+)?)(?![\w.])" % _UNIT).finditer
# `"GET / HTTP/1.1" 503 ` of an access log, and `status=503`, `"status_code": 503`.
_ACCESS_ERROR = rb'" [5-9][0-9][0-9](?:$|[^\w.])'
_STATUS_ERROR = rb"""status(?:_?code)?["']?[=:] ?["']?[5-9][0-9][0-9](?:$|[^\w.])"""
_error = re.compile(rb"%b|(?i:%b)" % (_ACCESS_ERROR, _STATUS_ERROR)).search


class Rows(Protocol):
    """How rows of one kind are read."""

    def worth(self, kind: int) -> list[Expression]:
        """Find every row that `keeps`, and a few others."""
        ...

    def keeps(self, row: bytes) -> bool:
        """Whether the row is to be kept, patterns aside."""
        ...

    def traced(self, kind: int, threshold: int) -> Expression:
        """Finds every row whose trace is at or above `threshold`, and a few others."""
        ...

    def trace(self, row: bytes) -> int | None:
        """The random bits of its trace id; None when it has none."""
        ...


def rows_of(codec: Codec, hints: Hints, keep: Keep) -> Rows:
    """Of lines or records."""
    return Lines(keep) if codec is Codec.LINES else Records(keep, hints)


class _Levels:
    """Severities at or above that of `keep`."""

    def __init__(self, keep: Keep) -> None:
        least = LEVELS[keep.severity.upper()] if keep.severity else max(LEVELS.values()) + 1
        self.words = frozenset(word.encode() for word, number in LEVELS.items() if number >= least)
        self.stems = [stem.encode() for stem in _STEMS if LEVELS[stem.upper()] >= least]


class Lines:
    """Text. The first level word decides its severity, the first trace id its trace."""

    def __init__(self, keep: Keep) -> None:
        self._levels = _Levels(keep)
        self._slow_s = keep.slow
        self._errors = keep.errors

    def worth(self, kind: int) -> list[Expression]:
        found: list[Expression] = []
        if stems := self._levels.stems:
            text = rb"(?:^|[^\w./-])(?:%b)" % b"|".join(stems)
            found.append(Expression(kind, text, caseless=True, needles=stems))
        if self._slow_s is not None:
            found += [Expression(kind, text) for text in _slow_texts(self._slow_s)]
        if self._errors:
            found.append(Expression(kind, _ACCESS_ERROR))
            found.append(Expression(kind, _STATUS_ERROR, caseless=True, needles=[b"status"]))
        return found

    def keeps(self, row: bytes) -> bool:
        level = _level(row[:HEAD_BYTES].lower())
        return (
            (level is not None and level[1].upper() in self._levels.words)
            or (self._slow_s is not None and _states(row, self._slow_s))
            or (self._errors and _error(row) is not None)
        )

    def traced(self, kind: int, threshold: int) -> Expression:
        text = rb"trace_?(?:id)?[\"']?[=:] ?[\"']?%b" % _id_above(threshold)
        return Expression(kind, text)

    def trace(self, row: bytes) -> int | None:
        found = _trace_id(row)
        return consistent.bits(found[1]) if found else None


class Records:
    """NDJSON. Durations and statuses are attributes; of foreign records any top-level keys.

    A row that is no such record says nothing.
    """

    def __init__(self, keep: Keep, hints: Hints) -> None:
        self._levels = _Levels(keep)
        self._slow_s = keep.slow
        self._errors = keep.errors
        self._hints = hints
        self._severities = _listed(hints, "severity")
        self._trace_ids = _listed(hints, "trace_id")
        self._decoder = _decoder(hints)

    def worth(self, kind: int) -> list[Expression]:
        found: list[Expression] = []
        if stems := self._levels.stems:
            text = rb'%b"(?:%b)' % (_key(*self._severities), b"|".join(stems))
            needles = [b'"' + stem for stem in stems]
            found.append(Expression(kind, text, caseless=True, needles=needles))
        if self._slow_s is not None:
            number = rb"(?:[0-9]{%d}|[0-9.]+[eE])" % _digits(self._slow_s, 1e-3)
            found.append(Expression(kind, rb'%b"?%b' % (_key("duration_ms"), number)))
            found.append(Expression(kind, rb'%b"?[0-9]' % _key("duration")))
        if self._errors:
            text = rb'status(?:_code)?"%b"?[5-9][0-9][0-9]' % _COLON
            found.append(Expression(kind, text, needles=[b"status"]))
        return found

    def keeps(self, row: bytes) -> bool:
        record = self._read(row)
        if _first(record, "severity", self._severities).upper() in self._levels.words:
            return True
        facts = record if self._hints.foreign else record.attributes or _NO_FACTS
        return (self._slow_s is not None and _took(facts, self._slow_s)) or (
            self._errors and _failed(facts)
        )

    def traced(self, kind: int, threshold: int) -> Expression:
        text = rb'%b"%b' % (_key(*self._trace_ids), _id_above(threshold))
        return Expression(kind, text, caseless=True)

    def trace(self, row: bytes) -> int | None:
        return consistent.randomness(_first(self._read(row), "trace_id", self._trace_ids))

    def _read(self, row: bytes) -> Any:
        try:
            return self._decoder.decode(row)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return self._decoder.decode(b"{}")


_NOTHING = msgspec.Raw(b"")


class _Facts(msgspec.Struct, frozen=True, gc=False, rename=_FACTS):
    """Of a record's attributes, those that say how long something took and how it ended."""

    duration_ms: msgspec.Raw = _NOTHING
    duration: msgspec.Raw = _NOTHING
    response_status_code: msgspec.Raw = _NOTHING
    http_status_code: msgspec.Raw = _NOTHING
    http_status: msgspec.Raw = _NOTHING
    status_code: msgspec.Raw = _NOTHING
    status: msgspec.Raw = _NOTHING


_NO_FACTS = _Facts()


@lru_cache(maxsize=64)
def _decoder(hints: Hints) -> msgspec.json.Decoder[Any]:
    fields: list[tuple[str, Any, Any]] = []
    keys: dict[str, str] = {}

    def add(name: str, key: str, kind: Any = msgspec.Raw, default: Any = _NOTHING) -> None:
        fields.append((name, kind, default))
        # A key belongs to the first field that asks for it.
        keys[name] = key if key not in keys.values() else f"({name} is taken)"

    for field in ("severity", "trace_id"):
        for place, key in enumerate(_listed(hints, field)):
            add(f"{field}_{place}", key)
    if hints.foreign:
        for name, key in _FACTS.items():
            add(name, key)
    else:
        add("attributes", "attributes", _Facts | None, None)
    record = msgspec.defstruct("Record", fields, rename=keys, gc=False)
    return msgspec.json.Decoder(record)


def _listed(hints: Hints, field: str) -> tuple[str, ...]:
    """The keys that may hold a field, as the store looks for it."""
    return names.of(hints)[field] if hints.foreign else (getattr(hints, field),)


def _first(record: Any, field: str, listed: tuple[str, ...]) -> bytes:
    """The text of the first key that holds one."""
    texts = (_text(getattr(record, f"{field}_{place}")) for place in range(len(listed)))
    return next(filter(None, texts), b"")


def _key(*keys: str) -> bytes:
    found = b"|".join(re.escape(key.encode()) for key in keys)
    return b'"%b"%b' % (found if len(keys) == 1 else b"(?:%b)" % found, _COLON)


def _id_above(threshold: int) -> bytes:
    """32 hexadecimal digits, or as many of them as tell most ids below `threshold`."""
    high, low = divmod(threshold >> (consistent.BITS - 8), 16)
    first = rb"%x[%x-f]" % (high, low)
    if high < 15:
        first = rb"(?:%b|[%x-f][0-9a-f])" % (first, high + 1)
    ahead = 32 - consistent.BITS // 4
    return rb"[0-9a-f]{%d}%b" % (ahead, first)


def _slow_texts(seconds: float) -> list[bytes]:
    """Expressions that find every line that `_states`, and others whose number is as long."""

    def number(factor: float) -> bytes:
        digits = _digits(seconds, factor)
        return rb"[0-9]" if digits == 1 else rb"[0-9]{%d}(?:\.[0-9]+)?" % digits

    whole = rb"[0-9][hm][0-9]+(?:\.[0-9]+)? ?(?:%b)(?:$|\W)" % _UNIT
    plain = [rb"%b ?%b(?:$|\W)" % (number(n), unit) for unit, n in _UNITS.items()]
    named = [
        rb"_%b[\"']?[=:] ?[\"']?[0-9]{%d}" % (unit, _digits(seconds, n))
        for unit, n in _UNITS.items()
    ]
    return [*plain, *named, whole]


def _digits(seconds: float, factor: float) -> int:
    """How many digits the whole part of a number must have to be as much, in units of `factor`."""
    return len(str(int(_least(seconds) / factor)))


def _least(seconds: float) -> float:
    # What a line states is no sum of powers of two: what equals the limit in text must reach it.
    return seconds * (1 - 1e-9)


def _states(text: bytes, seconds: float) -> bool:
    """Whether it states a duration of at least `seconds`: 12ms, 1.5 s, 2m3s, duration_ms=12."""
    least = _least(seconds)
    for hours, minutes, number, unit in (match.groups() for match in _durations(text)):
        whole_s = float(hours or 0) * 3600 + float(minutes or 0) * 60
        if whole_s + float(number) * _unit_s(unit) >= least:
            return True
    return any(float(m[2]) * _unit_s(m[1]) >= least for m in _named_durations(text))


def _unit_s(unit: bytes) -> float:
    """Seconds of a unit, which all but those of seconds tell by what comes before their last s."""
    return _SECONDS.get(unit[:-1], 1.0)


def _took(facts: Any, seconds: float) -> bool:
    """By `duration_ms`, or `duration` in seconds or with a unit."""
    least = _least(seconds)
    if _number(_text(facts.duration_ms)) / 1000 >= least:
        return True
    duration = _text(facts.duration)
    return _number(duration) >= least or _states(duration, seconds)


def _failed(facts: Any) -> bool:
    """By an HTTP status from 500 on."""
    values = (getattr(facts, name) for name in _STATUS_KEYS)
    return any(500 <= _number(_text(value)) < 1000 for value in values)


def _text(value: msgspec.Raw) -> bytes:
    """Of a string what is between its quotes; else its JSON."""
    return bytes(value).strip(b'"')


def _number(text: bytes) -> float:
    """-1 for what is none."""
    try:
        return float(text)
    except ValueError:
        return -1.0
