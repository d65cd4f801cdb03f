"""What the ledger answers, as it travels from a server to whoever asks."""

from __future__ import annotations

import msgspec

from tailrace.core.ledger import Differing


class Amount(msgspec.Struct, frozen=True):
    """`checksum`: the sum of those of the frames modulo 2^64, in hex."""

    frames: int = 0
    rows: int = 0
    bytes: int = 0
    checksum: str = ""


class Unexplained(msgspec.Struct, frozen=True):
    """`missing_frames` are those that an agent was told are kept and that are nowhere; the others
    were received and nothing is recorded of what became of them, or the other way round."""

    frames: int = 0
    rows: int = 0
    missing_frames: int = 0


class Line(msgspec.Struct, frozen=True):
    """Of one source, and of one step that begins at `from_ns`, or of all the time (0).

    `sent` is None of who says nothing of it. `reasons`: rows by what became of them.
    Of `received` is not known yet what becomes of `in_flight`; `waiting_frames` wait at the agent.
    """

    source: str
    from_ns: int
    sent: Amount | None
    received: Amount
    stored_hot: Amount
    archived: Amount
    duplicates: Amount
    reasons: dict[str, int]
    in_flight: Amount
    waiting_frames: int
    unexplained: Unexplained


class Report(msgspec.Struct, frozen=True):
    """`deleted`: rows by place and reason that were noted as deleted since then."""

    since_ns: int
    until_ns: int
    sources: list[Line]
    truncated: bool
    unexplained: Unexplained
    deleted: dict[str, dict[str, int]]


class DeepReport(msgspec.Struct, frozen=True):
    """`differing` are at most DEEP_FRAMES of all frames that came since then and are handled."""

    since_ns: int
    frames: int
    rows: int
    differing: list[Differing]
    truncated: bool
