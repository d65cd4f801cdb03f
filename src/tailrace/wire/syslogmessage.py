"""The parts of one syslog message, RFC 5424 or RFC 3164.

Taken too, as many senders have it: no priority, no time or host (the form that a program writes to
its own machine), an RFC 3339 time in the old form, one without a zone, which is then the machine's.
A message of any other form is a body with the whole text: nothing is refused.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

_NS = 1_000_000_000
_DAY_NS = 86_400 * _NS
_HOUR_NS = 3600 * _NS
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"
_ISO = r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:?\d\d)?"
_HIGHEST = 191
_PRIORITY = re.compile(r"<(\d{1,3})>", re.ASCII)
# VERSION TIME HOST APP PROCID MSGID, each "-" when it has none; then structured data and message.
_NEW = re.compile(
    rf"[1-9]\d{{0,2}} (-|{_ISO}) (\S{{1,255}}) (\S{{1,64}}) (\S{{1,128}}) (\S{{1,64}}) ", re.ASCII
)
_VALUE = r'"(?:[^"\\\]]|\\.)*+"'
_ELEMENT = re.compile(
    rf'\[([^ =\]"]{{1,64}}+)((?: ++[^ =\]"]{{1,64}}+={_VALUE})*+) *+\]', re.DOTALL
)
_PARAMETER = re.compile(rf'([^ =\]"]+)=({_VALUE})', re.DOTALL)
_ESCAPED = re.compile(r'\\(["\\\]])')
_OLD = re.compile(
    rf"(?:({_ISO})|([A-Z][a-z]{{2}}) ([ \d]?\d) (?:(\d{{4}}) )?"
    r"(\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?):? ",
    re.ASCII,
)
_HOST = re.compile(r"([\w.:%-]{1,255}) ")
_TAG = re.compile(r"([^\s:\[\]<>]{1,64})(?:\[([^\]\s]{1,64})\]:?|:)(?: |$)")


class Message(NamedTuple):
    """What a message says. `priority` is -1 when there is none, `time_ns` 0; `process` and
    `identifier` are PROCID and MSGID, `data` the structured data by "SDID.NAME"."""

    body: str
    time_ns: int = 0
    host: str = ""
    service: str = ""
    process: str = ""
    identifier: str = ""
    data: tuple[tuple[str, str], ...] = ()
    priority: int = -1


def parse(text: str, now_ns: int) -> Message:
    """The parts of a message without its framing; of a time without a year or a zone those are
    taken that bring it nearest before `now_ns`."""
    found = _PRIORITY.match(text)
    priority = int(found[1]) if found else -1
    if priority > _HIGHEST:
        return Message(text)
    message = _parsed(text[found.end() :] if found else text, now_ns)
    return message._replace(priority=priority) if found else message


def _parsed(text: str, now_ns: int) -> Message:
    found = _NEW.match(text)
    message = _new(text, found) if found else None
    return message or _old(text, now_ns)


def _new(text: str, found: re.Match[str]) -> Message | None:
    """RFC 5424; None when its time or its structured data is not what it says."""
    time, *words = found.groups()
    time_ns = 0 if time == "-" else _iso_ns(time)
    position = found.end()
    data: list[tuple[str, str]] = []
    if text.startswith("-", position):
        position += 1
    else:
        while element := _ELEMENT.match(text, position):
            position = element.end()
            for name, value in _PARAMETER.findall(element[2]):
                data.append((f"{element[1]}.{name}", _ESCAPED.sub(r"\1", value[1:-1])))
        if position == found.end():
            return None
    if time_ns is None or text[position : position + 1] not in ("", " "):
        return None
    host, service, process, identifier = ("" if word == "-" else word for word in words)
    body = text[position + 1 :].removeprefix("\ufeff")
    return Message(body, time_ns, host, service, process, identifier, tuple(data))


def _old(text: str, now_ns: int) -> Message:
    """RFC 3164, and what programs write to their own machine: the time, the tag, no host."""
    found = _OLD.match(text)
    time_ns = _old_ns(found, now_ns) if found else None
    if not found or time_ns is None:
        tag = _TAG.match(text)
        # Without a time only "name[pid]:" is surely a tag: "error: x" is a message.
        if tag and tag[2]:
            return Message(text[tag.end() :], 0, "", tag[1], tag[2])
        return Message(text.removeprefix("\ufeff"))
    position = found.end()
    host = ""
    tag = _TAG.match(text, position)
    if tag is None and (name := _HOST.match(text, position)):
        host, position = name[1], name.end()
        tag = _TAG.match(text, position)
    if tag:
        return Message(text[tag.end() :], time_ns, host, tag[1], tag[2] or "")
    return Message(text[position:], time_ns, host)


def _old_ns(found: re.Match[str], now_ns: int) -> int | None:
    iso, month, day, year, clock, fraction = found.groups()
    if iso:
        return _iso_ns(iso)
    hour = now_ns // _HOUR_NS * _HOUR_NS
    second = _local_s(_MONTHS.find(month) // 4 + 1, int(day), int(year or 0), clock, hour)
    return None if second is None else second * _NS + _fraction_ns(fraction)


@lru_cache(1024)
def _local_s(month: int, day: int, year: int, clock: str, now_ns: int) -> int | None:
    """Seconds since 1970 of a time of this machine's zone; without a year, the newest year that
    does not put it into the future. A day ahead is a clock or a zone that differs."""
    hour, minute, second = map(int, clock.split(":"))
    now = datetime.fromtimestamp(now_ns / _NS)
    # The 29th of February may be eight years back.
    for candidate in (year,) if year else range(now.year + 1, now.year - 9, -1):
        try:
            found = int(datetime(candidate, month, day, hour, minute, second).timestamp())
        except (ValueError, OverflowError, OSError):
            continue
        if found > 0 and (year or found * _NS <= now_ns + _DAY_NS):
            return found
    return None


def _iso_ns(text: str) -> int | None:
    """Nanoseconds of an RFC 3339 time; None when there is no such time, or before 1970. Without a
    zone it is this machine's."""
    whole, _, rest = text.upper().partition(".")
    digits = re.match(r"\d*", rest)
    fraction = digits[0] if digits else ""
    zone = rest[len(fraction) :]
    try:
        found = datetime.fromisoformat(whole + zone)
        second = int(found.astimezone(UTC).timestamp())
    except (ValueError, OverflowError):
        return None
    return second * _NS + _fraction_ns(fraction) if second > 0 else None


def _fraction_ns(digits: str | None) -> int:
    return int(f"{digits:0<9}") if digits else 0
