r"""PostgreSQL's log, as it writes it to stderr or to a file, to canonical records.

    2026-11-24 18:31:53.072 UTC [10705] LOG:  duration: 0.624 ms  statement: select *
    \tfrom orders
    2026-11-24 18:31:53.072 UTC [10705] DETAIL:  parameters: $1 = '5'

A message is a prefix (`log_line_prefix`), a severity, a colon and two spaces; its further lines
begin with a tab. Lines of DETAIL, HINT, CONTEXT, STATEMENT, QUERY, LOCATION belong to the message
before. Durations are of log_min_duration_statement, log_duration and auto_explain.
Source: https://www.postgresql.org/docs/current/runtime-config-logging.html
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from tailrace.wire import slowlog
from tailrace.wire.content import Content
from tailrace.wire.multiline import StartJoiner

_SEVERITIES = {
    "LOG": "INFO", "INFO": "INFO", "NOTICE": "NOTICE", "WARNING": "WARN", "ERROR": "ERROR",
    "FATAL": "FATAL", "PANIC": "PANIC", **{f"DEBUG{n}": "DEBUG" for n in range(1, 6)},
}  # fmt: skip
_FURTHER = ("DETAIL", "HINT", "QUERY", "CONTEXT", "LOCATION", "BACKTRACE", "STATEMENT")
_FIRST_WORDS = "|".join(_SEVERITIES)
_FURTHER_WORDS = "|".join(_FURTHER)
_PREFIX_CHARACTERS = 300
_NOT_FIRST = (
    rf"(?:(?!\b(?:{_FIRST_WORDS}):  )[^\n]){{0,{_PREFIX_CHARACTERS}}}?\b(?:{_FURTHER_WORDS}):  "
)
JOINER = StartJoiner(re.compile(rf"(?!\t)(?!{_NOT_FIRST})".encode()))

_line = re.compile(
    rf"(?s)(.{{0,{_PREFIX_CHARACTERS}}}?)\b({_FIRST_WORDS}|{_FURTHER_WORDS}):  (.*)"
).match
_time = re.compile(
    r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:[.,](\d{1,6}))? ?([A-Z]{1,6}|[+-]\d\d(?::?\d\d)?)?\b|"
    r"(\d{10})\.(\d{3})\b"
).search
_duration = re.compile(
    r"(?s)duration: (\d+(?:\.\d+)?) ms(?:  (?:(statement)|(parse|bind|execute)(?: [^:\n]*)?|"
    r"(plan)):\s?(.*))?\Z"
).match
_parameter = re.compile(r"\$(\d{1,3}) = ('(?:[^']|'')*+'|NULL)").findall
_plan_rows = re.compile(r"actual (?:time=[\d.]+ )?rows=(\d+)|actual time=\S+ rows=(\d+)").search
_plan_start = re.compile(r"\n(?=[^\n]*\(cost=|\{\n|<explain|Plan:)").search
_NAMED = {
    "process.pid": re.compile(r"\[(\d+)(?:-\d+)?\]|\bpid=(\d+)").search,
    "user.name": re.compile(r"\buser=([^,\s]+)|([^\s@,=:\[\]]+)@[^\s@,:\[\]]+").search,
    "db.namespace": re.compile(
        r"\b(?:db|database)=([^,\s]+)|[^\s@,=:\[\]]+@([^\s@,:\[\]]+)"
    ).search,
    "postgresql.application_name": re.compile(r"\bapp(?:lication)?=([^,]+?)(?:,|\s*$)").search,
    "client.address": re.compile(r"\b(?:client|host)=([^,\s(]+)|\b(\d+\.\d+\.\d+\.\d+)\(").search,
    "db.response.status_code": re.compile(r"\b(?:state|sqlstate)=([0-9A-Z]{5})\b").search,
}
# Zones by the names that PostgreSQL's default set of abbreviations gives one meaning.
_ZONES_H: dict[str, float] = {
    "UTC": 0, "GMT": 0, "Z": 0, "WET": 0, "WEST": 1, "BST": 1, "CET": 1, "CEST": 2, "EET": 2,
    "EEST": 3, "MSK": 3, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6,
    "PST": -8, "PDT": -7, "AKST": -9, "AKDT": -8, "HST": -10, "JST": 9, "KST": 9, "AEST": 10,
    "AEDT": 11, "NZST": 12, "NZDT": 13,
}  # fmt: skip
_EPOCH = datetime(1970, 1, 1)


def decode(data: bytes) -> Content:
    """Records of whole events, as lines with their newlines. Raises InputError ("empty").

    A statement that took long enough to be logged is a record whose body is the statement. Any
    other message is one too, its body as logged, without the prefix. A line that is no message of
    the server's is a record of its own.
    """
    found, repaired = slowlog.events(data, JOINER)
    records = slowlog.Records(repaired)
    for lines in found:
        _add(records, lines)
    return records.content()


def _add(records: slowlog.Records, lines: list[str]) -> None:
    prefix, severity, message, further = _parts(lines)
    attributes: dict[str, Any] = {"db.system.name": "postgresql"}
    time_ns = _time_ns(prefix, attributes)
    for name, search in _NAMED.items():
        match = search(prefix)
        if match:
            attributes[name] = next(filter(None, match.groups()))
    duration = _duration(message)
    if duration:
        attributes["duration_ms"] = float(duration[1])
        attributes["postgresql.kind"] = next(filter(None, duration.group(2, 3, 4)), "duration")
        message = _measured(duration, further, attributes) or message
    elif "STATEMENT" in further:
        attributes.update(slowlog.query_attributes(further["STATEMENT"], "postgresql"))
    if duration and further:
        attributes.update({f"postgresql.{k.lower()}": text for k, text in further.items()})
    else:
        message = "\n".join([message, *(f"{kind}:  {text}" for kind, text in further.items())])
    records.add(time_ns, _SEVERITIES.get(severity, ""), message, attributes)


def _parts(lines: list[str]) -> tuple[str, str, str, dict[str, str]]:
    """Prefix, severity and message of an event, and its further parts by their names."""
    prefix = severity = ""
    message: list[str] = []
    further: dict[str, list[str]] = {}
    into = message
    for line in lines:
        if line.startswith("\t"):
            into.append(line[1:])
            continue
        match = _line(line)
        if match is None or (match[2] in _SEVERITIES and severity):
            into.append(line)
        elif match[2] in _SEVERITIES:
            prefix, severity = match[1], match[2]
            message.append(match[3])
        else:
            prefix = prefix or match[1]
            into = further.setdefault(match[2], [])
            into.append(match[3])
    parts = {kind: "\n".join(text) for kind, text in further.items()}
    return prefix, severity, "\n".join(message).strip("\n"), parts


def _measured(duration: re.Match[str], further: dict[str, str], attributes: dict[str, Any]) -> str:
    """The statement of a message with a duration, which it describes in `attributes`."""
    text = (duration[5] or "").strip("\n")
    if not text:
        return ""
    statement = text
    if duration[4]:
        text = text.removeprefix("Query Text: ")
        start = _plan_start(text)
        statement = text[: start.start()] if start else text
        rows = _plan_rows(text)
        if rows:
            attributes["db.response.returned_rows"] = int(rows[1] or rows[2])
    detail = further.get("DETAIL", "")
    if detail.startswith("prepare: "):
        statement = detail.removeprefix("prepare: ")
    attributes.update(slowlog.query_attributes(statement, "postgresql"))
    if "arameters: " in detail:
        for number, value in _parameter(detail):
            attributes[f"db.query.parameter.{number}"] = value.strip("'").replace("''", "'")
    return text


def _time_ns(prefix: str, attributes: dict[str, Any]) -> int:
    """UTC nanoseconds; 0 where the prefix has none, or one of a zone that is not known."""
    found = _time(prefix)
    if found is None:
        return 0
    if found[4]:
        return int(found[4] + found[5]) * 1_000_000
    zone = found[3] or ""
    offset_h = _ZONES_H.get(zone)
    if zone[:1] in "+-" and zone:
        offset_h = int(zone[:3]) + int(zone[0] + (zone[3:].lstrip(":") or "0")) / 60
    if offset_h is None:
        attributes["postgresql.time"] = found[0]
        return 0
    try:
        moment = datetime.fromisoformat(found[1])
    except ValueError:
        return 0
    passed = moment - _EPOCH - timedelta(hours=offset_h)
    whole = passed.days * 86_400 + passed.seconds
    return whole * 1_000_000_000 + int((found[2] or "").ljust(9, "0"))
