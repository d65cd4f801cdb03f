"""Frames by their numbers, as the ledger speaks of them.

A Range is (first, last), both of them in it. Lists of ranges ascend, and no two of them touch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import NamedTuple

import msgspec

from tailrace.core.frame import Header

CHECKSUM_MASK = 2**64 - 1
DIVERTED = "diverted"
# What all senders with an Idempotency-Key are together: each request is a numbering of its own.
CLIENTS = "client"
Range = tuple[int, int]


class Numbering(msgspec.Struct, frozen=True, order=True):
    """Who numbers frames: within it each number is one frame."""

    tenant: str
    source: str
    epoch: int


class Span(msgspec.Struct, frozen=True, order=True):
    """Frames of one numbering, from `first_seq` to `last_seq`."""

    numbering: Numbering
    first_seq: int
    last_seq: int

    @property
    def frames(self) -> int:
        """How many."""
        return self.last_seq - self.first_seq + 1


class CountKey(NamedTuple):
    """Of what is counted: `kind` is what happened to it, `minute` (of 60 s, since 1970, UTC) when
    it was taken in, `lane` as `lane_of` gives it."""

    kind: str
    tenant: str
    source: str
    minute: int
    lane: str


class Counted(msgspec.Struct):
    """Of frames: how many; their rows, bytes before compression and rows that the guard took out;
    and the sum of their checksums, modulo 2^64."""

    frames: int = 0
    rows: int = 0
    bytes: int = 0
    checksum: int = 0
    guarded: int = 0

    def add(self, header: Header) -> None:
        self.frames += 1
        self.rows += header.rows
        self.bytes += header.bytes
        self.checksum = (self.checksum + header.checksum) & CHECKSUM_MASK
        self.guarded += header.guarded


class Saying(NamedTuple):
    """What an agent says in all, of one numbering (`reason` is "", `run` its epoch) or of rows that
    it left out for a reason since a start (`run`): said in `minute`. A later one has more
    `upto`."""

    tenant: str
    source: str
    reason: str
    run: int
    minute: int
    frames: int
    rows: int
    bytes: int
    checksum: int
    upto: int


class Period(NamedTuple):
    """Minutes since 1970 from `first` to before `end`, in steps of so many; 0 is all together."""

    first: int
    end: int
    step: int = 0


class Said(NamedTuple):
    """What agents of a name say they did in a step: numbered frames, or rows left out for a
    reason."""

    source: str
    reason: str
    minute: int
    counted: Counted


class Balance(msgspec.Struct, frozen=True):
    """Of a source and a step: what was received, behind the guard, and what became of it.

    `hot` and `archived` are rows as they are stored, `twice` was left out since it was stored
    before, `dead` are dead letters. `guarded_rows` were taken out by the guard before.
    `diverted_rows` are in the archive alone since their sender was over a limit, `sampled_rows`
    since the agent sampled. `repaired_rows`: how many more were received than stored of frames that
    were made readable. What of `received` is none of these is unexplained, and what is handled that
    was never received: by minute and lane, so that one cannot make up for another."""

    source: str
    minute: int
    received: Counted
    hot: Counted
    archived: Counted
    twice: Counted
    dead: Counted
    guarded_rows: int
    diverted_rows: int
    sampled_rows: int
    repaired_rows: int
    unexplained_frames: int
    unexplained_rows: int


class Gone(NamedTuple):
    """Hot rows that were deleted on purpose: `service` is "" for those of all."""

    signal: str
    service: str
    first_ns: int
    last_ns: int


class Differing(msgspec.Struct, frozen=True):
    """A frame whose rows are not as they were recorded. `hot` and `archived` are found,
    `hot_recorded` and `archived_recorded` is what they should be; with `altered` it is not their
    number that differs but what they say, in one of the two places."""

    source: str
    epoch: int
    seq: int
    hot: int
    hot_recorded: int
    archived: int
    archived_recorded: int
    altered: bool


class Compared(NamedTuple):
    """How many frames and rows were compared, and those that differ: at most DEEP_FRAMES."""

    frames: int
    rows: int
    differing: list[Differing]


def lane_of(header: Header) -> str:
    """As the ledger counts: one that a limit diverted is a lane of its own."""
    return DIVERTED if header.diverted else header.lane.value


def source_of(source: str) -> str:
    """Whose frames these are in the ledger: what a gateway made of one of an agent's frames beside
    the first ("agent-1#1") is the agent's."""
    return CLIENTS if source.startswith(CLIENTS + "-") else source.partition("#")[0]


def in_turn(spans: Iterable[Span]) -> Iterator[Span]:
    """The first of each tenant, then the second of each, and so on."""
    by_tenant: dict[str, list[Span]] = {}
    for span in spans:
        by_tenant.setdefault(span.numbering.tenant, []).append(span)
    for row in zip_longest(*by_tenant.values()):
        yield from (span for span in row if span is not None)


def ranges(numbers: Iterable[int]) -> list[Range]:
    """Of numbers in any order."""
    return joined((number, number) for number in numbers)


def joined(found: Iterable[Range]) -> list[Range]:
    """One list of ranges that may overlap and be in any order."""
    result: list[Range] = []
    for first, last in sorted(found):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(last, result[-1][1]))
        else:
            result.append((first, last))
    return result


def within(span: Span, found: Iterable[Range]) -> list[Range]:
    """What of `found` lies in the span; it may be in any order."""
    cut = ((max(first, span.first_seq), min(last, span.last_seq)) for first, last in found)
    return joined((first, last) for first, last in cut if first <= last)


def without(wanted: Sequence[Range], known: Sequence[Range]) -> list[Range]:
    """What of one list of ranges is not in the other."""
    left: list[Range] = []
    others = iter(known)
    other = next(others, None)
    for first, last in wanted:
        while other is not None and other[0] <= last:
            if first < other[0]:
                left.append((first, other[0] - 1))
            first = max(first, other[1] + 1)
            if other[1] > last:
                break
            other = next(others, None)
        if first <= last:
            left.append((first, last))
    return left
