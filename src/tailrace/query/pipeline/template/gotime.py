"""Times in Go's layouts, which are the moment Mon Jan 2 15:04:05 MST 2006 written as wished."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from tailrace.query.pipeline.template.values import TemplateError, Time

_LAYOUT = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|2006|002|01|02|03|04|05|06|15|PM|pm"
    r"|__2|_2(?!006)"
    r"|Z07:00:00|Z070000|Z07:00|Z0700|Z07|-07:00:00|-070000|-07:00|-0700|-07"
    r"|[.,](?:0+|9+)(?![0-9])|1|2|3|4|5"
)
_MONTHS = "January February March April May June July August September October November December"
_MONTH = _MONTHS.split()
_DAY = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
SECOND_NS = 1_000_000_000
# What Go's zero time is, and so what a text becomes that is no time.
ZERO = Time(-62_135_596_800 * SECOND_NS)
_EPOCH = datetime(1970, 1, 1)

_Show = Callable[[datetime, int, Time], str]
_SHOWN: dict[str, _Show] = {
    "January": lambda d, _n, _t: _MONTH[d.month - 1],
    "Jan": lambda d, _n, _t: _MONTH[d.month - 1][:3],
    "01": lambda d, _n, _t: f"{d.month:02d}",
    "1": lambda d, _n, _t: str(d.month),
    "Monday": lambda d, _n, _t: _DAY[d.weekday()],
    "Mon": lambda d, _n, _t: _DAY[d.weekday()][:3],
    "2": lambda d, _n, _t: str(d.day),
    "_2": lambda d, _n, _t: f"{d.day:2d}",
    "02": lambda d, _n, _t: f"{d.day:02d}",
    "__2": lambda d, _n, _t: f"{d.timetuple().tm_yday:3d}",
    "002": lambda d, _n, _t: f"{d.timetuple().tm_yday:03d}",
    "15": lambda d, _n, _t: f"{d.hour:02d}",
    "03": lambda d, _n, _t: f"{(d.hour + 11) % 12 + 1:02d}",
    "3": lambda d, _n, _t: str((d.hour + 11) % 12 + 1),
    "04": lambda d, _n, _t: f"{d.minute:02d}",
    "4": lambda d, _n, _t: str(d.minute),
    "05": lambda d, _n, _t: f"{d.second:02d}",
    "5": lambda d, _n, _t: str(d.second),
    "2006": lambda d, _n, _t: f"{d.year:04d}",
    "06": lambda d, _n, _t: f"{d.year % 100:02d}",
    "PM": lambda d, _n, _t: "PM" if d.hour >= 12 else "AM",
    "pm": lambda d, _n, _t: "pm" if d.hour >= 12 else "am",
    "MST": lambda _d, _n, t: t.zone,
}
_READ = {
    "January": f"(?P<month_name>(?i:{'|'.join(_MONTH)}))",
    "Jan": f"(?P<month_name>(?i:{'|'.join(name[:3] for name in _MONTH)}))",
    "01": "(?P<month>[0-9]{2})",
    "1": "(?P<month>[0-9]{1,2})",
    "Monday": f"(?i:{'|'.join(_DAY)})",
    "Mon": f"(?i:{'|'.join(name[:3] for name in _DAY)})",
    "2": "(?P<day>[0-9]{1,2})",
    "_2": "(?P<day>[ ]?[0-9]{1,2})",
    "02": "(?P<day>[0-9]{2})",
    "__2": "(?P<year_day>[ ]{0,2}[0-9]{1,3})",
    "002": "(?P<year_day>[0-9]{3})",
    "15": "(?P<hour>[0-9]{1,2})",
    "03": "(?P<hour>[0-9]{2})",
    "3": "(?P<hour>[0-9]{1,2})",
    "04": "(?P<minute>[0-9]{2})",
    "4": "(?P<minute>[0-9]{1,2})",
    "05": "(?P<second>[0-9]{2})(?P<fraction>[.,][0-9]{1,30})?",
    "5": "(?P<second>[0-9]{1,2})(?P<fraction>[.,][0-9]{1,30})?",
    "2006": "(?P<year>[0-9]{4})",
    "06": "(?P<short_year>[0-9]{2})",
    "PM": "(?P<half>AM|PM)",
    "pm": "(?P<half>am|pm)",
    "MST": "(?P<zone>[A-Z]{3,4}|[+-][0-9]{2})",
}
_LAYOUT_CHARS = 500


def formatted(time: Time, layout: str) -> str:
    """`time` as `layout` shows it. Raises TemplateError."""
    wall, ns = time.wall()
    return "".join(_part(part, wall, ns, time) for part in _parts(layout))


def parsed(layout: str, text: str, zone: str) -> Time:
    """`text` as `layout` reads it, in `zone` where it names none; ZERO where it is no such time.

    Raises TemplateError for a zone or layout that is none.
    """
    location = _location(zone)
    found = _reader(layout).fullmatch(text) if len(text) <= _LAYOUT_CHARS else None
    if found is None:
        return ZERO
    parts = {key: value for key, value in found.groupdict().items() if value is not None}
    try:
        wall, ns = _wall(parts)
    except (ValueError, OverflowError):
        return ZERO
    if "offset" in parts:
        offset_s = _offset_s(parts["offset"])
        name = "UTC" if parts["offset"] == "Z" else ""
    elif parts.get("zone") in ("UTC", "GMT"):
        offset_s, name = 0, parts["zone"]
    else:
        offset_s, name = _local(location, wall)
    seconds = int((wall - _EPOCH).total_seconds()) - offset_s
    return Time(seconds * SECOND_NS + ns, offset_s, name)


def _local(location: ZoneInfo, wall: datetime) -> tuple[int, str]:
    aware = wall.replace(tzinfo=location)
    return int((aware.utcoffset() or timedelta()).total_seconds()), aware.tzname() or ""


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo("UTC" if name in ("", "Local") else name)
    except (OSError, ValueError, LookupError):
        return None


def _location(name: str) -> ZoneInfo:
    found = _zone(name) if len(name) <= 64 else None
    if found is None:
        raise TemplateError(f"unknown time zone {name[:64]!r}")
    return found


@lru_cache(maxsize=64)
def _parts(layout: str) -> tuple[str, ...]:
    if len(layout) > _LAYOUT_CHARS:
        raise TemplateError(f"a layout of a time has more than {_LAYOUT_CHARS} characters")
    parts: list[str] = []
    at = 0
    for found in _LAYOUT.finditer(layout):
        # A fraction counts only after the seconds.
        if found[0][0] in ".," and (
            not parts or parts[-1] not in ("05", "5") or at < found.start()
        ):
            continue
        if at < found.start():
            parts.append("'" + layout[at : found.start()])
        parts.append(found[0])
        at = found.end()
    return (*parts, "'" + layout[at:])


def _part(part: str, wall: datetime, ns: int, time: Time) -> str:
    show = _SHOWN.get(part)
    if show is not None:
        return show(wall, ns, time)
    if part[0] == "'":
        return part[1:]
    if part[0] in ".,":
        digits = f"{ns:09d}".ljust(len(part) - 1, "0")[: len(part) - 1]
        if part[1] == "9":
            digits = digits.rstrip("0")
        return part[0] + digits if digits else ""
    return "Z" if part[0] == "Z" and not time.offset_s else _offset(part, time.offset_s)


def _offset(part: str, offset_s: int) -> str:
    sign, seconds = ("-" if offset_s < 0 else "+"), abs(offset_s)
    joint = ":" if ":" in part else ""
    fields = [f"{seconds // 3600:02d}", f"{seconds // 60 % 60:02d}", f"{seconds % 60:02d}"]
    return sign + joint.join(fields[: len(re.findall("07|00", part))])


@lru_cache(maxsize=64)
def _reader(layout: str) -> re.Pattern[str]:
    seen: set[str] = set()
    source = []
    for part in _parts(layout):
        if part[0] == "'":
            # One space stands for any number of them.
            source.append(re.sub(r"(?:\\ )+", " ++", re.escape(part[1:])))
            continue
        piece = _READ.get(part)
        if piece is None:
            piece = _read_rest(part, source)
        for name in re.findall(r"\?P<(\w+)>", piece):
            if name in seen:
                raise TemplateError(f"a layout of a time names its {name} twice")
            seen.add(name)
        source.append(piece)
    return re.compile("".join(source))


def _read_rest(part: str, source: list[str]) -> str:
    if part[0] in ".,":
        # The seconds before it read any fraction, wished for or not.
        if part[1] == "0":
            source[-1] = source[-1].replace("{1,30})?", f"{{{len(part) - 1}}})")
        return ""
    digits = "[+-]" + (":" if ":" in part else "").join(
        ["[0-9]{2}"] * len(re.findall("07|00", part))
    )
    return f"(?P<offset>Z|{digits})" if part[0] == "Z" else f"(?P<offset>{digits})"


def _wall(parts: dict[str, str]) -> tuple[datetime, int]:
    year = int(parts.get("year", 0))
    if "short_year" in parts:
        short = int(parts["short_year"])
        year = short + (1900 if short >= 69 else 2000)
    month = int(parts.get("month", 1))
    if "month_name" in parts:
        name = parts["month_name"][:3].title()
        month = next(number for number, one in enumerate(_MONTH, 1) if one.startswith(name))
    hour = int(parts.get("hour", 0))
    if "half" in parts:
        if not 1 <= hour <= 12:
            raise ValueError(hour)
        hour = hour % 12 + (12 if parts["half"].upper() == "PM" else 0)
    # A year is missing: Go has a year 0, which this calendar has not.
    day = datetime(year or 1, month, int(parts.get("day", 1)))
    if "year_day" in parts:
        day = datetime(year or 1, 1, 1) + timedelta(days=int(parts["year_day"]) - 1)
    minute, second = int(parts.get("minute", 0)), int(parts.get("second", 0))
    fraction = parts.get("fraction", ".0")[1:]
    return day.replace(hour=hour, minute=minute, second=second), int(fraction[:9].ljust(9, "0"))


def _offset_s(text: str) -> int:
    if text == "Z":
        return 0
    digits = text[1:].replace(":", "").ljust(6, "0")
    seconds = int(digits[:2]) * 3600 + int(digits[2:4]) * 60 + int(digits[4:])
    return -seconds if text[0] == "-" else seconds
