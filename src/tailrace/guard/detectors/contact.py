"""How a person or a machine is reached: e-mail, telephone, IP address."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from tailrace.guard.checks import american_phone, international_phone
from tailrace.guard.detectors.detector import (
    Detector,
    Found,
    Shape,
    Window,
    before,
    digits_of,
    key_before,
)

# What stands behind an @ and ends like a domain without being one: files, units, code.
_NO_DOMAINS = frozenset(
    b"service socket timer target mount slice scope path png jpg jpeg gif svg webp ico css js ts "
    b"tsx jsx mjs json yaml yml toml html log txt local localdomain internal cluster lan invalid "
    b"localhost home corp gz tar whl".split()
)
_LOCAL = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-'" + bytes(
    range(128, 256)
)
_LOCAL_BYTES = 64
_DOMAIN = re.compile(
    rb"(?:[A-Za-z0-9\x80-\xff](?:[A-Za-z0-9\-\x80-\xff]{0,62})\.){1,8}"
    rb"(?:(?P<top>[A-Za-z]{2,24})(?![A-Za-z0-9\-@]|\.[A-Za-z0-9])|"
    rb"(?:[\x80-\xff]{4,64}|xn--[A-Za-z0-9\-]{1,59})(?![A-Za-z0-9\-_@/\x80-\xff]|\.[A-Za-z0-9]))"
)
_QUICK = re.compile(rb"[A-Za-z0-9\x80-\xff][A-Za-z0-9\-\x80-\xff]{0,62}\.[A-Za-z0-9\x80-\xff]")
_USER = re.compile(rb"://(?:[^\s/@\"']*:)?$")
_REPOSITORIES = frozenset((b"git", b"svn", b"hg"))


class Emails:
    """What stands around an @, when it ends like a domain."""

    name = "email"
    kind = "email"
    candidates = (rb"@[A-Za-z0-9\x80-\xff]",)
    cased: tuple[bytes, ...] = ()
    matches = (
        b"mail jane.doe@example.com sent",
        b'{"to":"a+b@mail.example.co.uk"}',
        b"<o'brien@example.org>",
        b"user=jane_doe@example.io,",
        b"line one\\njane@example.com",
        b"to=%3Cjane@example.com%3E",
    )
    traps = (
        b"git@github.com:org/repo",
        b"lodash@4.17.21",
        b"getty@tty1.service",
        b"img@2x.png",
        b"root@localhost",
        b"jdbc:oracle:thin:@//db:1521",
        b"@decorator.py",
    )

    def promising(self, text: bytes, end: int) -> bool:
        """See Detector."""
        return _QUICK.match(text, end - 1) is not None

    def look(self, window: Window) -> Iterator[Found]:
        """See Detector."""
        text, start, stop, end, _memo = window
        domain = _DOMAIN.match(text, end - 1, min(stop, end + 255))
        if domain is None or (domain["top"] or b"").lower() in _NO_DOMAINS:
            return
        at = end - 2
        seen = text[max(start, at - _LOCAL_BYTES) : at]
        begin = at - len(seen) + len(seen.rstrip(_LOCAL))
        if text[begin - 1 : begin] == b"\\" and text[begin : begin + 1] in (b"n", b"r", b"t"):
            begin += 1
        if text[begin - 1 : begin] == b"%" and begin > start:
            begin += 2  # an encoded character
        begin += len(text[begin:at]) - len(text[begin:at].lstrip(b"'.-+"))
        if text[begin - 1 : begin] in (b":", b"/") and _USER.search(
            text, max(start, begin - 80), begin
        ):
            return  # who is asked for in a URL, and the host
        local = text[begin:at]
        if local and local.lower() not in _REPOSITORIES:
            yield Found(begin, domain.end(), text[begin : domain.end()].lower())


def _e164(match: re.Match[bytes]) -> bytes | None:
    if before(match, 1).isalnum() or _NO_PHONE.fullmatch(match["value"]):
        return None
    digits = digits_of(match["value"])
    return b"+" + digits if international_phone(digits) else None


def _american(match: re.Match[bytes]) -> bytes | None:
    digits = digits_of(match["value"])[-10:]
    return b"+1" + digits if american_phone(digits) else None


# Between two digits: one separator, or a bracket with one.
_GAP = rb"(?:[ \-./+]|[ +]?\(|\)[ +\-]?)?"
_NO_PHONE = re.compile(rb"\+?\d+\.\d+|\d{1,3}(?:\.\d{1,3}){3}")
_ID = re.compile(rb"(?i:[_.\-]ids?|^ids?)$|[a-z]Ids?$")
_SPOKEN = re.compile(
    rb"phone|(?<![a-z])tel(?![a-z])|telefon|mobile|(?<![a-z])cell(?![a-z]|.?id)|(?<![a-z])fax|"
    rb"msisdn|whatsapp|(?<![a-z])sms(?![a-z])|(?<![a-z])call(?:ed|er|ing)?(?![a-z(])"
)


def _near(match: re.Match[bytes]) -> bytes:
    seen = before(match, 48).translate(None, b"\\").rpartition(b'",')[2]
    return seen[-28:].lower()


def _spoken(match: re.Match[bytes]) -> bytes | None:
    value = match["value"]
    digits = digits_of(value)
    if _NO_PHONE.fullmatch(value) or not 7 <= len(digits) <= 15:
        return None
    if not _SPOKEN.search(_near(match)):
        return None
    if _ID.search(key_before(match.string, match.start("value"))):
        return None
    return (b"+" if value.startswith(b"+") else b"") + digits


def _address(match: re.Match[bytes]) -> bytes | None:
    try:
        return ipaddress.ip_address(match["value"].decode()).compressed.encode()
    except ValueError:
        return None


PHONES: tuple[Detector, ...] = (
    Shape(
        "phone",
        "phone",
        candidates=(rb"\+[1-9][0-9 \-.()+]{7}",),
        pattern=re.compile(rb"(?P<value>\+[1-9](?:" + _GAP + rb"\d){6,14})(?![\d])"),
        check=_e164,
        before=12,
        after=32,
        matches=(b"call +49 30 901820", b"+14155550132", b"tel:+44 (20) 7946 0018"),
        traps=(b"1.0.0+20240101", b"+1234567", b"delta +12345678901234567", b"UTC+01:00"),
    ),
    Shape(
        "phone-us",
        "phone",
        candidates=(
            rb"[0-9][0-9][0-9]-[0-9][0-9][0-9]-[0-9][0-9][0-9][0-9]",
            rb"\([0-9][0-9][0-9]\) ?[0-9][0-9][0-9][\-. ][0-9][0-9][0-9][0-9]",
        ),
        pattern=re.compile(
            rb"(?<![\w.\-+/])"
            rb"(?P<value>(?:1[\- ])?(?:\(\d{3}\) ?\d{3}[\-. ]\d{4}|\d{3}-\d{3}-\d{4}))"
            rb"(?![\w\-/]|\.\d)"
        ),
        check=_american,
        before=20,
        after=8,
        matches=(b"(415) 555-0132", b"call 415-555-0132"),
        traps=(b"123-456-7890", b"ref 415-555-0132-9", b"sku/415-555-0132", b"115-555-0132"),
    ),
    Shape(
        "phone-spoken",
        "phone",
        candidates=(
            rb"(?:phone|telefon|mobile|msisdn|whatsapp|"
            rb"(?:^|[^a-z])(?:tel|cell|fax|sms|call|called|caller|calling)[^a-z(\n])[^\n]{0,31}?[0-9]"
            rb"[ \-.()/+0-9]{6}",
        ),
        pattern=re.compile(
            rb"(?<![\w.])(?P<value>\+?\(?\d(?:" + _GAP + rb"\d){6,14})(?![\w]|[\-.]\d)"
        ),
        check=_spoken,
        before=44,
        after=30,
        matches=(b"phone=030 901820", b'{"mobile":"07700 900123"}', b"msisdn 491701234567"),
        traps=(b"telemetry 1234567890", b"cell_id=12345678", b"phone calls: 12", b"recall 1234567"),
    ),
)
_OCTET = rb"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
IP: tuple[Detector, ...] = (
    Shape(
        "ipv4",
        "ip",
        candidates=(rb"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]",),
        pattern=re.compile(
            rb"(?<![\d.])(?P<value>" + _OCTET + rb"(?:\." + _OCTET + rb"){3})(?!\d|\.\d)"
        ),
        check=_address,
        before=16,
        after=4,
        matches=(b"from 203.0.113.9:443", b'{"ip":"198.51.100.7"}'),
        traps=(b"version 1.2.3.4.5", b"999.1.1.1", b"1.2.3"),
    ),
    Shape(
        "ipv6",
        "ip",
        candidates=(rb"[0-9a-f]:[0-9a-f]{0,4}:[0-9a-f:]",),
        pattern=re.compile(
            rb"(?<![\w:.])(?P<value>(?:[0-9a-f]{1,4}:){2,7}(?::[0-9a-f]{1,4}){0,6}:?[0-9a-f]{0,4}|"
            rb"(?:[0-9a-f]{1,4}:){1,7}:|::[0-9a-f:]{2,})(?![\w:])",
            re.IGNORECASE,
        ),
        check=_address,
        before=40,
        after=40,
        matches=(b"from 2001:db8::17 ok", b"peer 2001:db8:0:0:8:800:200c:417a"),
        traps=(b"10:11:12", b"mac 00:00:5e:00:53:af", b"std::vector"),
    ),
)
CONTACT: tuple[Detector, ...] = (Emails(), *PHONES, *IP)
