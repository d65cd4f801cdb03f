"""Syslog messages to canonical records, whole batches at a time.

Of the usual forms everything before the message's own text is the same again and again: priority,
host, program, and the second. One expression runs over a whole batch; what it finds is looked up as
JSON that was made before, by reading one such message with wire/syslogmessage.py. A message of any
other form is read by itself, which takes eight times as long. Both ways give the same records.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from tailrace.core import limits
from tailrace.core.frame import Codec
from tailrace.wire.content import Content
from tailrace.wire.fitting import count, fitted, short, trimmed
from tailrace.wire.journal import SEVERITIES
from tailrace.wire.syslogmessage import Message, parse
from tailrace.wire.text import REPLACEMENT

FACILITIES = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
)  # fmt: skip
_NS = 1_000_000_000
_HOUR_NS = 3600 * _NS
# Messages of one step: their parts stay in the processor's cache.
_STEP = 500
# As JSON no such message is longer than a line may be.
_USUAL_BYTES = limits.LINE_BYTES // 16
_HEADS = 8_192
# Characters that JSON needs no escape for: a head with any other is read by itself.
_WORD = r"[!#-\[\]-~]"
_PROGRAM = r"[!#-9;=?-Z^-~]{1,64}(?:\[[!#-\[^-~]{1,64}\]:?|:)"
# Priority, version; second, fraction, zone; what else is before the text; the text. Or any line.
_USUAL = re.compile(
    rf"""
    (<\d{{1,3}}>(1\ )?)
    (\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d|(?(2)(?!)|[A-Z][a-z][a-z]\ [\ \d]\d\ \d\d:\d\d:\d\d))
    (?:\.(\d{{1,9}}))?(Z|[+-]\d\d:\d\d|)\ 
    ((?(2)
        {_WORD}{{1,255}}\ {_WORD}{{1,64}}\ {_WORD}{{1,128}}\ {_WORD}{{1,64}}\ -\ (?:\xef\xbb\xbf)?
    |
        (?:{_PROGRAM}|[\w.:%-]{{1,255}}\ {_PROGRAM})\ 
    ))
    (.*)\n
    |.*\n
    """.encode("latin-1"),
    re.VERBOSE,
)  # fmt: skip
_CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f]")
_MARKED = bytes(0 if byte < 32 and byte != 10 else byte for byte in range(256))
_encoder = msgspec.json.Encoder()


def decode(
    messages: Sequence[bytes], now_ns: int, service: str = "", peer: str | None = None
) -> Content:
    """Records of messages without their framing; of the old form the year and the zone, which it
    has not, are those that bring it nearest before `now_ns`.

    `service` replaces the messages' own. `peer` is the address that they came from: a record then
    has it as `network.peer.address`, and the message's host, or else the peer, as `host.name`;
    where it is None the host is an attribute. `repaired` counts "nul", "utf8", "blank" (messages
    left out), "line_length" and "attributes" (those cut or left out). May hold no row at all.
    """
    origin = _Origin(now_ns, service, peer)
    repaired: dict[str, int] = {}
    stripped = [message.rstrip(b"\0\r\n") for message in messages]
    whole = [message for message in stripped if message]
    if len(whole) < len(messages):
        count(repaired, "blank", len(messages) - len(whole))
    parts: list[bytes] = []
    for start in range(0, len(whole), _STEP):
        _step(whole[start : start + _STEP], origin, repaired, parts)
    return Content(Codec.RECORDS, b"".join(parts), len(whole), repaired=repaired)


class _Origin(msgspec.Struct, frozen=True):
    """What all messages of a batch share; see `decode`."""

    now_ns: int
    service: str
    peer: str | None


def _step(
    messages: list[bytes], origin: _Origin, repaired: dict[str, int], parts: list[bytes]
) -> None:
    """Adds the parts of the records of some messages, none of which is empty, to `parts`."""
    service, peer, hour = origin.service, origin.peer, origin.now_ns // _HOUR_NS
    heads: dict[bytes, bytes] = {}
    seconds: dict[bytes, bytes] = {}
    messages, text = _text(messages, repaired)
    for message, (first, _, stamp, fraction, zone, rest, body) in zip(
        messages, _USUAL.findall(text), strict=True
    ):
        key = first + rest
        head = heads.get(key)
        if head is None:
            head = heads[key] = _head(first, rest, service, peer)
        key = stamp + zone
        second = seconds.get(key)
        if second is None:
            second = seconds[key] = _second(stamp, zone, hour)
        if head and second:
            parts += (head, second, fraction.ljust(9, b"0"), b',"body":"', body, b'"}\n')
        else:
            parts += (_record(parse(message.decode(), origin.now_ns), origin, repaired), b"\n")


def _text(messages: list[bytes], repaired: dict[str, int]) -> tuple[list[bytes], bytes]:
    """The messages, as clean text, and all of them as lines in the form of a JSON string; the line
    is empty for one that has to be read by itself."""
    lines = messages
    text = b"\n".join(lines)
    usual = text.count(b"\n") == len(lines) - 1 and max(map(len, lines)) <= _USUAL_BYTES
    if not usual or b"\0" in text or not _is_utf8(text):
        messages = [_clean(message, repaired) for message in messages]
        lines = [b"" if b"\n" in m or len(m) > _USUAL_BYTES else m for m in messages]
        text = b"\n".join(lines)
    text = text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    if b"\0" in text.translate(_MARKED):
        text = _CONTROL.sub(lambda found: b"\\u%04x" % found[0][0], text)
    return messages, text + b"\n"


def _is_utf8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _clean(message: bytes, repaired: dict[str, int]) -> bytes:
    if b"\0" in message:
        count(repaired, "nul", message.count(b"\0"))
        message = message.replace(b"\0", REPLACEMENT)
    if _is_utf8(message):
        return message
    count(repaired, "utf8")
    return message.decode(errors="replace").encode()


@lru_cache(_HEADS)
def _head(first: bytes, rest: bytes, service: str, peer: str | None) -> bytes:
    """A record up to its time, of a message that begins like this; empty where it has to be read
    by itself. Any time stands for the one between `first` and `rest`."""
    if not first:
        return b""
    message = parse((first + b"2000-01-01T00:00:00Z " + rest).decode(), 0)
    if message.body or message.priority < 0:
        return b""
    record = _parts(message, _Origin(0, service, peer), {})
    return (_encoder.encode(record).removesuffix(b"}") + b',"time":').replace(b"{,", b"{")


@lru_cache(_HEADS)
def _second(stamp: bytes, zone: bytes, hour: int) -> bytes:
    """The digits of a second since 1970; empty when there is no such time."""
    if not stamp:
        return b""
    message = parse(f"<0>{stamp.decode()}{zone.decode()} a: ", hour * _HOUR_NS)
    return b"%d" % (message.time_ns // _NS) if message.time_ns else b""


def _record(message: Message, origin: _Origin, repaired: dict[str, int]) -> bytes:
    record = _parts(message, origin, repaired)
    if message.time_ns:
        record["time"] = message.time_ns
    return fitted(record, message.body, repaired)


def _parts(message: Message, origin: _Origin, repaired: dict[str, int]) -> dict[str, object]:
    """A record without its time and its body."""
    record: dict[str, object] = {}
    attributes: dict[str, str] = {}
    if message.priority >= 0:
        record["severity"] = SEVERITIES[message.priority & 7]
        attributes["syslog.facility"] = FACILITIES[message.priority >> 3]
    if message.service and not origin.service:
        record["service"] = message.service
    named = {
        "syslog.hostname": message.host if origin.peer is None else "",
        "syslog.procid": message.process,
        "syslog.msgid": message.identifier,
        "network.peer.address": origin.peer,
    }
    attributes.update((name, value) for name, value in named.items() if value)
    for name, value in message.data:
        attributes[f"syslog.{name}"] = short(value, repaired)
    if attributes:
        record["attributes"] = trimmed(attributes, repaired)
    if origin.peer is not None:
        found = {
            "service.name": origin.service or message.service,
            "host.name": message.host or origin.peer,
        }
        record["resource"] = {name: value for name, value in found.items() if value}
    return record
