"""Field rules: what stands under a name is of a kind, whatever it looks like ("Joe Schmoe")."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence

import msgspec

from tailrace.core.errors import ConfigError
from tailrace.guard.detectors.detector import Found, Window
from tailrace.guard.members import Member, members
from tailrace.guard.normal import normalise
from tailrace.guard.settings import Field
from tailrace.guard.values import after_separator, value_at

_KEY = re.compile(r"(?:\*\.)?[A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]+)*")
# Already taken out, or nothing that was anybody's.
_NOTHING = re.compile(
    rb"#[a-z0-9_]+:[0-9a-z]{16}|\[(?:redacted|test):[a-z0-9_]+\]|\*+|-|null|None|"
)
_NAME_BYTES = re.compile(rb"[A-Za-z0-9_.\-]+$")
# What an object of ours or of OpenTelemetry puts around the names of an application.
_OUTER = (b"attributes", b"resource", b"body", b"fields")


class FieldRule:
    """A Detector (detectors/detector.py). Names are compared without case, `_` and `-`."""

    cased: Sequence[bytes] = ()
    matches: Sequence[bytes] = ()
    traps: Sequence[bytes] = ()

    def __init__(self, field: Field) -> None:
        self.kind = field.kind
        self.name = f"field {field.key}"
        parts = field.key.split(".")
        self._parent = parts[0] == "*"
        self._path = [_plain(part.encode()) for part in parts if part != "*"]
        self._holder: re.Pattern[bytes] | None = None
        if len(self._path) > 1:
            held = rb"(?:\.|\\*[\"']?(?:[\s\x1e]|\\+[nrt])*[:=](?:[\s\x1e]|\\+[nrt])*\\*[\"'{\[])"
            self._holder = re.compile(_letters(self._path[-2]) + held, re.IGNORECASE)
        # In JSON the outer names come first, and a dotted name has them in this order, too.
        names = rb"[^\n]*".join(map(_letters, self._path))
        self.candidates = (names + rb"[\\\"' \t]{0,8}[:=]",)

    def promising(self, text: bytes, end: int) -> bool:
        """See Detector. A parent is followed by what it holds, or by a dot."""
        if self._holder is None:
            return True
        start = text.rfind(b"\n", 0, end) + 1
        return self._holder.search(text, start, end) is not None

    def look(self, window: Window) -> Iterator[Found]:
        """See Detector."""
        if self not in window.memo:
            window.memo[self] = True
            for member in _members(window):
                if self._fits(member.path):
                    begin, until = member.value_start, member.value_stop
                    if value := self._value(window.text[begin:until]):
                        yield Found(begin, until, value)
        yield from self._plain(window)

    def _plain(self, window: Window) -> Iterator[Found]:
        """`key=value` outside of JSON, or in a text within it."""
        text, start, stop, end, memo = window
        low = max(start, end - 100)
        name = _NAME_BYTES.search(text[low:end].rstrip(b"\\\"' \t:="))
        if name is None:
            return
        begin = low + name.end()
        if text[low + name.start() - 1 : low + name.start()] == b"#":
            return  # a pseudonym
        quoted = text[begin : begin + 1] in (b'"', b"\\")
        if (quoted and _members(window)) or not self._fits(tuple(name[0].split(b"."))):
            return
        at = after_separator(text, begin, stop)
        value = value_at(text, at, stop, memo) if at is not None else None
        if value is None or value.shape == "word":
            return
        if plain := self._value(text[value.start : value.stop]):
            yield Found(value.start, value.stop, plain)

    def _fits(self, path: tuple[bytes, ...]) -> bool:
        names = [_plain(part) for part in path]
        size = len(self._path)
        if names[-size:] != self._path:
            return False
        if not self._parent:
            return True
        outer = [name for name in names[:-size] if name not in _OUTER]
        return bool(outer)

    def _value(self, raw: bytes) -> bytes | None:
        if _NOTHING.fullmatch(raw) or raw in (b"true", b"false"):
            return None
        if b"\\" in raw:
            with contextlib.suppress(msgspec.MsgspecError, UnicodeError):
                raw = msgspec.json.decode(b'"' + raw + b'"', type=str).encode()
        return normalise(self.kind, raw)


def _letters(name: bytes) -> bytes:
    """An expression for the name with `_` and `-` anywhere in it."""
    return rb"[_\-]?".join(re.escape(bytes([byte])) for byte in name)


def _members(window: Window) -> list[Member]:
    """Of the row, walked once for all rules."""
    found = window.memo.get("members")
    if not isinstance(found, list):
        found = window.memo["members"] = list(members(window.text, window.start, window.stop))
    return found


def _plain(name: bytes) -> bytes:
    return name.lower().translate(None, b"_-")


def field_rules(fields: Sequence[Field], kinds: frozenset[str]) -> list[FieldRule]:
    """Raises ConfigError."""
    for number, field in enumerate(fields):
        key = f"guard.fields[{number}]"
        if not _KEY.fullmatch(field.key) or not _plain(field.key.rpartition(".")[2].encode()):
            raise ConfigError(
                f"{key}.key: names with dots between them, such as customer.name or *.email"
            )
        if field.kind not in kinds:
            raise ConfigError(f"{key}.kind: {field.kind!r} is none of {', '.join(sorted(kinds))}")
    return [FieldRule(field) for field in fields]
