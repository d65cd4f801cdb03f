"""Numbers that a state gives to a person, and dates of birth."""

from __future__ import annotations

import re

from tailrace.guard.checks import itin, ssn
from tailrace.guard.detectors.detector import Detector, Shape, before, digits_of

_WORDS = re.compile(
    rb"(?<![a-z#])ssn|social.{0,2}sec|soc.{0,2}sec|(?<![a-z])ss#|(?<![a-z])tin(?![a-z])|"
    rb"(?<!#)itin(?![a-z])|tax.{0,2}(?:payer|id)"
)
# Nine in ten of all nine digits would pass: without dashes they need a word this near.
_CONTEXT_BYTES = 36
_BEHIND = re.compile(rb"[ \"'(\[,]{1,3}(?:ssn|itin|social.{0,2}sec)", re.IGNORECASE)
_LINKED = re.compile(rb"\d[ .]?-$|-$|[A-Za-z0-9_]$")


def _number(match: re.Match[bytes]) -> bytes | None:
    digits = digits_of(match["value"])
    dashed = match["dash"] == match["dash2"] and match["dash"].strip(b" +") == b"-"
    seen = before(match, 2 * _CONTEXT_BYTES).translate(None, b"\\")[-_CONTEXT_BYTES:]
    spoken = _WORDS.search(seen.lower()) is not None
    spoken = spoken or _BEHIND.match(match.string, match.end()) is not None
    if not spoken and (not dashed or _LINKED.search(before(match, 3))):
        return None
    return digits


def _ssn(match: re.Match[bytes]) -> bytes | None:
    digits = _number(match)
    return digits if digits and ssn(digits) else None


def _itin(match: re.Match[bytes]) -> bytes | None:
    digits = _number(match)
    return digits if digits and itin(digits) else None


_NINE = re.compile(
    rb"(?<![\d.])(?P<value>\d(?P<gap>[ .\-]?)\d(?P=gap)\d(?P<dash>[ .\-_/+]{0,3})\d(?P=gap)\d"
    rb"(?P<dash2>[ .\-_/+]{0,3})\d(?P=gap)\d(?P=gap)\d(?P=gap)\d)(?!\d|-\d|\.\d*[1-9]|\w)"
)
_CANDIDATES = (
    rb"[0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][0-9][0-9]",
    rb"(?:ssn|social.{0,2}sec|[^a-z]tin|itin|tax.{0,2}(?:id|payer)|ss#)"
    rb"[^\n]{0,32}?[0-9][0-9 .\-_/+]{8}",
    rb"[0-9][0-9][0-9][ \"'(\[,]{1,3}(?:ssn|itin|social)",
    rb"[0-9][0-9][0-9][ +]-[ +][0-9][0-9][ +]-[ +][0-9][0-9][0-9][0-9]",
)
_DATE = (
    rb"(?:19|20)\d\d(?P<sep>[\-/.])(?:0?[1-9]|1[0-2])(?P=sep)(?:0?[1-9]|[12]\d|3[01])|"
    rb"(?:0?[1-9]|[12]\d|3[01])[\-/. ](?:0?[1-9]|[12]\d|3[01])[\-/. ](?:(?:19|20)\d\d|\d\d)|"
    rb"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])|"
    rb"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
    rb"[ +]\d{1,2}(?:st|nd|rd|th)?,?[ +]"
    rb"(?:19|20)\d\d|"
    rb"\d{1,2}(?:st|nd|rd|th)?[ \-+](?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}"
    rb"[ \-,+]{1,2}(?:19|20)\d\d"
)
_DATE_HEAD = re.compile(rb"\d{1,4}[\-/. ]\d|\d{8}|\d{1,2}(?:st|nd|rd|th)?[ \-+][A-Za-z]{3}")
_MONTH = re.compile(
    rb"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?[ +]$", re.IGNORECASE
)
_BORN = rb"(?:dob|d\.o\.b\.?|birth.?date|date.?of.?birth|birthday|birth.?day|born(?: on)?)"


def _begins_date(text: bytes, end: int) -> bool:
    if _DATE_HEAD.match(text, end - 1):
        return True
    return _MONTH.search(text[max(0, end - 13) : end - 1]) is not None


def _date(match: re.Match[bytes]) -> bytes | None:
    return match["value"].lower()


NATIONAL: tuple[Detector, ...] = (
    Shape(
        "ssn",
        "ssn",
        candidates=_CANDIDATES,
        pattern=_NINE,
        check=_ssn,
        before=40,
        after=22,
        behind=24,
        matches=(
            b"123456789 (ssn) already enrolled",
            b"ssn 123-45-6789",
            b"customer 219-09-9998 called",
            b'{"ssn":123456789}',
            b"Social Security number: 123 45 6789",
            b"social_security_number=123456789",
        ),
        traps=(
            b"000-12-3456",
            b"666-12-3456",
            b"pid 123456789",
            b"part 123-45-6789-01",
            b"123-00-4567",
            b"123-45-0000",
            b"999-45-6789",
            b"2024-123-45-6789",
        ),
    ),
    Shape(
        "itin",
        "itin",
        candidates=_CANDIDATES,
        pattern=_NINE,
        check=_itin,
        quick=lambda text, end: b"9" in text[max(0, end - 30) : end - 3],
        before=40,
        after=22,
        behind=24,
        matches=(b"itin 912-70-1234", b"taxpayer id 912701234", b"900-88-1234 filed"),
        traps=(b"912-10-1234", b"912701234 bytes"),
    ),
    Shape(
        "dob",
        "dob",
        candidates=(
            rb"(?:dob|birth|born|d\.o\.b)[^\n]{0,30}?[0-9]",
            rb"(?:dob|birth|born)[^\n]{0,20}?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
            rb"[a-z]{0,6}\.?[ +][0-9]",
        ),
        pattern=re.compile(
            rb"(?<![A-Za-z])(?:[a-z]+_)?"
            + _BORN
            + rb"(?:\\*[\"'])?[\s:=>,(\[]{0,4}(?:is|was|on)?\s?(?:\\*[\"'])?"
            rb"(?P<value>" + _DATE + rb")(?!\d)",
            re.IGNORECASE,
        ),
        check=_date,
        quick=_begins_date,
        before=48,
        after=24,
        matches=(
            b"dob=1980-02-03",
            b'{"date_of_birth":"03/02/1980"}',
            b"born on 3 March 1980",
            b"birthdate: Mar 3, 1980",
            b"dob 19800203",
        ),
        traps=(b"built 1980-02-03", b"birthday sent", b"newborn 1", b"dob missing at 2024"),
    ),
)
