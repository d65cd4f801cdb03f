"""systemd's journal, as `journalctl --output=json --all` prints it, to canonical records.

One JSON object a line. A value is a string; an array of byte values where it is not UTF-8; an
array of such values where the field occurs more than once; or null.
Source: https://systemd.io/JOURNAL_EXPORT_FORMATS/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tailrace.wire.fitting import SHORT, count, fitted, short, trimmed

SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
_OWN = '"service":"tailrace"'
_NOT_ATTRIBUTES = frozenset(
    {
        "MESSAGE",
        "PRIORITY",
        "__CURSOR",
        "__REALTIME_TIMESTAMP",
        "__MONOTONIC_TIMESTAMP",
        "__SEQNUM",
        "__SEQNUM_ID",
    }
)
_NAME_CHARACTERS = 200

_entry = msgspec.json.Decoder(dict[str, Any])


class Entries(msgspec.Struct):
    """`rows` canonical records in `data`; cursors of the first and last entry that was read.

    `dropped` counts by reason what left no record: "malformed" is no journal entry, "own" is a
    line of tailrace's own log. `repaired` counts what was changed: "nul", "utf8", "line_length"
    (messages that were cut), "attributes" (those cut or left out).
    """

    data: bytes = b""
    rows: int = 0
    first: str = ""
    last: str = ""
    dropped: dict[str, int] = {}
    repaired: dict[str, int] = {}


def decode(text: bytes, after: str = "", service: str = "") -> Entries:
    """Records of whole lines of JSON, each at most LINE_BYTES long.

    The entry whose cursor is `after` is left out. `service` replaces the entries' own.
    """
    found = Entries()
    kept: list[bytes] = []
    for line in text.split(b"\n"):
        if not line:
            continue
        entry = _parsed(line)
        if entry is None:
            count(found.dropped, "malformed")
            continue
        found.last = entry["__CURSOR"]
        found.first = found.first or found.last
        if found.last == after:
            continue
        body = _text(entry.get("MESSAGE"), found.repaired)
        if is_own(body):
            count(found.dropped, "own")
            continue
        kept.append(_record(entry, body, service, found.repaired))
    found.rows = len(kept)
    found.data = b"".join(line + b"\n" for line in kept)
    return found


def is_own(body: str) -> bool:
    """Whether a message is a line that core/log.py wrote: shipping it would make the next one."""
    if not body.startswith("{") or _OWN not in body:
        return False
    try:
        record = _entry.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        return False
    attributes = record.get("attributes")
    own = record.get("service") == "tailrace"
    return own and isinstance(attributes, dict) and "logger" in attributes


def _parsed(line: bytes) -> dict[str, Any] | None:
    """An entry with a cursor and a time, or None."""
    try:
        entry = _entry.decode(line)
        int(entry["__REALTIME_TIMESTAMP"])
    except (msgspec.MsgspecError, RecursionError, KeyError, TypeError, ValueError):
        return None
    cursor = entry.get("__CURSOR")
    return entry if isinstance(cursor, str) and cursor else None


def _record(entry: Mapping[str, Any], body: str, service: str, repaired: dict[str, int]) -> bytes:
    record: dict[str, Any] = {}
    time_ns = int(entry["__REALTIME_TIMESTAMP"]) * 1000
    if 0 < time_ns < 2**63:
        record["time"] = time_ns
    priority = entry.get("PRIORITY")
    if isinstance(priority, str) and len(priority) == 1 and priority in "01234567":
        record["severity"] = SEVERITIES[int(priority)]
    if not service:
        name = entry.get("SYSLOG_IDENTIFIER") or entry.get("_SYSTEMD_UNIT")
        service = _value(name, repaired)
        if service:
            record["service"] = service
    record["attributes"] = _attributes(entry, repaired)
    return fitted(record, body, repaired)


def _attributes(entry: Mapping[str, Any], repaired: dict[str, int]) -> dict[str, str]:
    found = {
        name[:_NAME_CHARACTERS]: value
        if type(value) is str and len(value) <= SHORT and "\0" not in value
        else _value(value, repaired)
        for name, value in entry.items()
        if name not in _NOT_ATTRIBUTES
    }
    return trimmed(found, repaired)


def _value(value: object, repaired: dict[str, int]) -> str:
    """Text of an attribute, within LABEL_VALUE_BYTES."""
    return short(_text(value, repaired), repaired)


def _text(value: object, repaired: dict[str, int]) -> str:
    """A string, bytes as an array of numbers, several of those, or null."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, list):
        text = _joined(value, repaired)
    else:
        text = "" if value is None else str(value)
    if "\0" in text:
        count(repaired, "nul", text.count("\0"))
        text = text.replace("\0", "\ufffd")
    return text


def _joined(values: list[Any], repaired: dict[str, int]) -> str:
    if values and all(type(value) is int and 0 <= value < 256 for value in values):
        data = bytes(values)
        try:
            return data.decode()
        except UnicodeDecodeError:
            count(repaired, "utf8")
            return data.decode(errors="replace")
    return "\n".join(
        _joined(value, repaired) if isinstance(value, list) else "" if value is None else str(value)
        for value in values
    )
