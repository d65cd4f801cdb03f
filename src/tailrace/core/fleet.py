"""What an agent says of itself, and what a server makes of it.

An agent POSTs an `Announcement` as JSON to /agents/announce at its start, each `interval_s`, and at
its end. Every field is bounded here, so that decoding is the check. Fields that are not known are
passed over: a newer agent may speak to an older server.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from tailrace.core import limits

TEXT_CHARACTERS = 200
PATH = "/agents/announce"
# Whose agent it is, from a gateway that may send in the name of any tenant.
TENANT_HEADER = "Tailrace-Tenant"

# How a source begins that an agent made. What a gateway makes of one of its frames beside the first
# has another source: "agent-1#1".
SOURCE_PREFIX = "agent-"

Text = Annotated[str, Meta(max_length=TEXT_CHARACTERS)]
Name = Annotated[str, Meta(min_length=1, max_length=TEXT_CHARACTERS)]
Word = Annotated[str, Meta(pattern="^[a-z][a-z_]{0,39}$")]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Amount = Annotated[float, Meta(ge=0, le=1e15)]
State = Literal["silent", "late", "running", "stopped"]


class Loss(msgspec.Struct, frozen=True):
    """Rows that an agent numbered and that no gateway will get: frames `first_seq` to `last_seq`.

    `(source, epoch, first_seq)` names it; said again with a later `last_seq` it has grown.
    `reason` is a word of the agent's code, `at_ns` its time.
    """

    source: Name
    epoch: Count
    first_seq: Count
    last_seq: Count
    rows: Count
    bytes: Count
    reason: Word
    at_ns: Count


class Sent(msgspec.Struct, frozen=True):
    """Of all frames of a numbering below `upto_seq`, from its first: how many, their rows, bytes
    before compression and the sum of their checksums modulo 2^64, in hex. The last of them was read
    at `at_ns`, by the agent's clock."""

    upto_seq: Count
    at_ns: Count
    frames: Count
    rows: Count
    bytes: Count
    checksum: Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]


class Settled(msgspec.Struct, frozen=True, omit_defaults=True):
    """Of the frames that `source` numbers in this epoch none below `before_seq` is still to come:
    each was acknowledged by a gateway or is among the losses.

    `next_seq` is the number of the next frame. Frames below `from_seq` may have gone to other
    gateways than those of now. `sent`: what was numbered in all, at the ends of the last minutes
    whose frames are all settled, ascending.
    """

    source: Name
    epoch: Count
    from_seq: Count
    before_seq: Count
    next_seq: Count
    sent: Annotated[list[Sent], Meta(max_length=limits.ANNOUNCED_SENT)] = []


class InputReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """One input: `named` is what a person gave it (paths, units, an address).

    `rows` and `bytes` since the start of the process. `lag_bytes` are there and not read,
    `lag_s` for how long at most; None where the input cannot know.
    """

    type: Text
    named: Text = ""
    files: Count = 0
    rows: Count = 0
    bytes: Count = 0
    lag_bytes: Count | None = None
    lag_s: Amount | None = None


class Announcement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One agent at one moment. Times are the agent's clock; `now_ns` is 0 of an older agent.

    `configuration`: a hash of the effective settings without secrets. `spool_bytes`: of segments
    with frames that no gateway has; `spool_age_s`: of the oldest such frame. `cpu_s` since the
    start, `cpu_share` of one core since the announcement before. `dropped`: rows by reason.
    `rejected`: frames that a gateway refused. `losses`: the oldest that no server has confirmed.
    `settled`: how far its frames are delivered. `inputs` may be fewer than `inputs_total`.
    """

    source: Name
    version: Text
    host: Text
    pid: Count
    started_ns: Count
    now_ns: Count = 0
    interval_s: Annotated[float, Meta(gt=0, le=limits.ANNOUNCE_LARGEST_S)]
    stopping: bool = False
    configuration: Text = ""
    gateway: Text = ""
    inputs: Annotated[list[InputReport], Meta(max_length=limits.ANNOUNCED_INPUTS)] = []
    inputs_total: Count = 0
    lines: Count = 0
    bytes: Count = 0
    dropped: Annotated[dict[Word, Count], Meta(max_length=64)] = {}
    retries: Count = 0
    rejected: Count = 0
    spool_bytes: Count = 0
    spool_age_s: Amount = 0.0
    cpu_s: Amount = 0.0
    cpu_share: Amount = 0.0
    resident_bytes: Count = 0
    losses: Annotated[list[Loss], Meta(max_length=limits.ANNOUNCED_LOSSES)] = []
    settled: Annotated[list[Settled], Meta(max_length=limits.ANNOUNCED_NUMBERINGS)] = []


class Confirmed(msgspec.Struct, frozen=True):
    """The answer: so many of the announcement's losses, from the first on, are kept durably."""

    confirmed_losses: Count = 0


def announces(source: str) -> bool:
    """Whether who numbers frames by this name says in announcements how far it is."""
    return source.startswith(SOURCE_PREFIX) and "#" not in source
