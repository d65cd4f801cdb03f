"""Letters: what stands among the dead letters, why, and what it is called."""

from __future__ import annotations

import re
from sys import intern

import msgspec

from tailrace.core.contracts import Position
from tailrace.core.frame import Codec, Header, Lane, Signal

_ID = re.compile(r"([0-9]{1,12})-([0-9]{1,12})")
_WORDS = {
    "corrupt": "bytes of the queue that fail their checksum: no frame can be made of them",
    "damaged": "this dead letter was damaged on the disk: what it was cannot be read",
    "unreadable": "neither the engine nor the slow way, line by line, can read what its sender "
    "announced",
    "refused": "the engine refused it again and again, though it is in the form made for it",
}
DAMAGED = "damaged"

Whose = tuple[str, str, int, int, Lane]
"""A frame in its lane: a frame is among the dead letters once for each."""


class Letter(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why and when (UTC nanoseconds); the frame's header, or where broken bytes stood. `origin` is
    the letter's id where that is not its place: it was moved to make room."""

    reason: str
    buried_ns: int
    header: Header | None = None
    found: Position | None = None
    origin: Position | None = None


class Kept(msgspec.Struct, frozen=True):
    """What is known of a letter without reading it: `id`, where it stands (`at` to `end` in its
    segment), and what it was. `tenant` is "" where nobody knows."""

    id: Position
    at: Position
    end: int
    reason: str
    buried_ns: int
    tenant: str = ""
    source: str = ""
    epoch: int = 0
    seq: int = 0
    lane: Lane = Lane.BOTH
    signal: Signal = Signal.LOGS
    codec: Codec = Codec.RECORDS
    rows: int = 0
    bytes: int = 0
    first_ns: int = 0
    last_ns: int = 0
    service: str = ""
    found: Position | None = None

    @property
    def stored_bytes(self) -> int:
        """On disk."""
        return self.end - self.at.offset

    @property
    def whose(self) -> Whose | None:
        """Which frame it is; None where it is none."""
        return (self.tenant, self.source, self.epoch, self.seq, self.lane) if self.tenant else None


class Item(msgspec.Struct, frozen=True):
    """A letter as it is listed. `kind`: `frame`, or `bytes` of which no frame can be made. `why` is
    the reason in words. `bytes`: before compression, `stored_bytes`: on disk."""

    id: str
    kind: str
    buried_ns: int
    reason: str
    why: str
    tenant: str
    source: str
    epoch: int
    seq: int
    lane: str
    signal: str
    codec: str
    service: str
    rows: int
    bytes: int
    stored_bytes: int
    first_ns: int
    last_ns: int


def kept(letter: Letter, at: Position, end: int) -> Kept:
    """What is kept in memory of a letter that stands there."""
    id_ = letter.origin or at
    if (h := letter.header) is None:
        return Kept(id_, at, end, letter.reason, letter.buried_ns, found=letter.found)
    service = intern(h.resource.get("service.name", ""))
    return Kept(
        id_, at, end, intern(letter.reason), letter.buried_ns,
        intern(h.tenant), intern(h.source), h.epoch, h.seq, h.lane, h.signal, h.codec,
        h.rows, h.bytes, h.first_ns, h.last_ns, service,
    )  # fmt: skip


def id_text(one: Position) -> str:
    """As people and machines write an id: `12-64`."""
    return f"{one.segment}-{one.offset}"


def parse_id(text: str) -> Position | None:
    """None for what is no id."""
    found = _ID.fullmatch(text)
    return Position(int(found[1]), int(found[2])) if found else None


def in_words(reason: str) -> str:
    """A reason as a sentence, with what the reader or the engine said."""
    kind, _, detail = reason.partition(": ")
    words = _WORDS.get(kind)
    if words is None:
        return reason
    return f"{words} ({detail})" if detail else words
