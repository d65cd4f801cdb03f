"""Where in the row, in whose service and at which line of its code a value was: never the value."""

from __future__ import annotations

import re

from tailrace.core.frame import Header
from tailrace.guard.detectors.detector import key_before
from tailrace.guard.vocabulary import WORDS

_SERVICE = re.compile(rb'"service(?:\.name|_name)?"\s*:\s*"([^"\\]{1,100})"')
_ENVIRONMENT = re.compile(rb'"(?:deployment\.)?environment(?:\.name)?"\s*:\s*"([^"\\]{1,100})"')
_VERSION = re.compile(rb'"service\.version"\s*:\s*"([^"\\]{1,100})"')
_SOURCE = (
    rb"[A-Za-z0-9_\-./]{0,100}?[A-Za-z0-9_\-]{1,60}\."
    rb"(?:py|go|java|kt|scala|js|mjs|ts|tsx|rb|php|cs|rs|c|cc|cpp|ex|exs|pl|swift)"
)
_SUFFIX = re.compile(
    rb"\.(?:py|go|java|kt|scala|js|mjs|ts|tsx|rb|php|cs|rs|c|cc|cpp|exs?|pl|swift):\d"
)
_CODE = re.compile(_SOURCE + rb":\d{1,6}(?!\d)")
_FILE = re.compile(
    rb'"(?:code\.(?:filepath|file\.path)|pathname|filename|file|caller_file|source_file)\\*"\s*:\s*\\*"('
    + _SOURCE
    + rb')\\*"'
)
_LINE = re.compile(
    rb'"(?:code\.(?:lineno|line\.number)|lineno|line|caller_line|source_line)\\*"\s*:\s*\\*"?(\d{1,6})'
)
_PATH = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./")
_PATH_BYTES = 100
_FIELD = re.compile(rb"[A-Za-z_][A-Za-z0-9_.\-]{0,63}")
_TOKENS = re.compile(rb"[A-Za-z]+|[^A-Za-z\s]+")
_PATTERN_BYTES = 48
_PATTERN_WORDS = 8


class Origin:
    """Whose rows these are: what the frame says, or else the row itself."""

    def __init__(self, header: Header) -> None:
        resource = header.resource
        self.service = resource.get("service.name", "")
        self.version = resource.get("service.version", "")
        self.environment = resource.get("deployment.environment.name") or resource.get(
            "deployment.environment", ""
        )

    def of(self, row: bytes) -> tuple[str, str, str]:
        """Service, version and environment of a row."""
        return (
            self.service or _first(_SERVICE, b'"service', row),
            self.version or _first(_VERSION, b'"service.version"', row),
            self.environment or _first(_ENVIRONMENT, b"environment", row),
        )


def _first(pattern: re.Pattern[bytes], name: bytes, row: bytes) -> str:
    at = row.find(name)
    if at < 0:
        return ""
    match = pattern.search(row, max(0, at - len("deployment.") - 1))
    return match[1].decode(errors="replace") if match else ""


def code(row: bytes) -> str:
    """FILE:LINE of the logging statement, "" where the row does not say."""
    if suffix := _SUFFIX.search(row):
        start = suffix.start()
        while start and row[start - 1] in _PATH and suffix.start() - start < _PATH_BYTES:
            start -= 1
        if match := _CODE.match(row, start):
            return match[0].decode()
    if b"line" not in row:
        return ""
    named, line = _FILE.search(row), _LINE.search(row)
    return f"{named[1].decode()}:{line[1].decode()}" if named and line else ""


def field(row: bytes, start: int, free: int = 0) -> str:
    """The name before the value at `start`, or the words of the line before it. What stands before
    `free` may be a value.

    Of those, words that do not belong to the language of logs are left out: they may be data.
    """
    name = key_before(row, start)
    at = row.rfind(name, 0, start)
    joint = row[at + len(name) : start]
    named = joint.startswith(b"=") or joint.lstrip(b"\\").startswith((b'"', b"'"))
    named = named and at >= free and row[at - 1 : at] != b"@"
    if name and named and _FIELD.fullmatch(name) and _is_name(name):
        return name.decode()
    begin = max(row.rfind(b'"', 0, start) + 1, start - _PATTERN_BYTES, 0)
    words = [_word(token) for token in _TOKENS.findall(row, begin, start)[-_PATTERN_WORDS:]]
    return " ".join([*_joined(words), "*"]) if words else "*"


def _is_name(name: bytes) -> bool:
    """Whether it looks like one that a program was given, not a value before a colon."""
    digits = sum(48 <= byte <= 57 for byte in name)
    return digits <= 3


def _word(token: bytes) -> str:
    word = token.decode(errors="replace")
    return word if word.lower() in WORDS else "*"


def _joined(words: list[str]) -> list[str]:
    return [word for at, word in enumerate(words) if word != "*" or not at or words[at - 1] != "*"]
