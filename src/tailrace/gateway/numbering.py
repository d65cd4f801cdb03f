"""Identity of frames whose senders do not number them."""

from __future__ import annotations

import itertools
import secrets

import msgspec
import xxhash

from tailrace.core.clock import Clock
from tailrace.core.ledger import CLIENTS


class Identity(msgspec.Struct, frozen=True):
    """Who numbered a frame, and its number."""

    source: str
    epoch: int
    seq: int


class Numbering:
    """One run of one gateway: source and epoch are fixed, `seq` counts from 0."""

    def __init__(self, clock: Clock) -> None:
        self._source = f"gateway-{secrets.token_hex(6)}"
        self._epoch = clock.wall_ns()
        self._seq = itertools.count()

    def next(self) -> Identity:
        """The identity of the next frame; safe from several threads."""
        return Identity(self._source, self._epoch, next(self._seq))


def of_key(key: str, index: int) -> Identity:
    """The identity of frame `index` of a request with this Idempotency-Key: always the same."""
    return Identity(f"{CLIENTS}-{xxhash.xxh3_128_hexdigest(key.encode())}", 0, index)
