"""Where lines come from: the contract of every input, and the piece it hands over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from tailrace.agent.checkpoints import Mark
from tailrace.agent.inputs import Input
from tailrace.core.frame import CANONICAL, Codec, Hints, Signal

Buffer = bytes | bytearray


class Rows(msgspec.Struct, frozen=True):
    """`rows` whole rows (maybe none), and what became of the others.

    `checked` says that `data` holds what its codec demands; otherwise it is text of any kind.
    `resource`: what the source knows of where these rows came from. `repaired` counts by reason
    what was changed, `dropped` what was left out.
    """

    data: Buffer
    rows: int
    codec: Codec = Codec.LINES
    signal: Signal = Signal.LOGS
    hints: Hints = CANONICAL
    checked: bool = False
    resource: Mapping[str, str] = {}
    repaired: Mapping[str, int] = {}
    dropped: Mapping[str, int] = {}


class Piece(Rows, frozen=True, kw_only=True):
    """`data` may be the buffer that was read into: it is valid until the next read.

    `after`: the mark after these rows.
    """

    after: Mark


class Source(Protocol):
    """One flow of rows, read by the reading thread alone.

    `mark` is how far the spool holds it, durably. `key` names it in the state; a key that starts
    with `checkpoints.MEMORY_KEY` has no place that could be found again, and is not remembered.
    """

    @property
    def input(self) -> Input: ...

    @property
    def key(self) -> str: ...

    @property
    def mark(self) -> Mark: ...

    def begin(self, now_s: float) -> bool:
        """Decide where to start. True once, when `mark` must be durable before reading on."""
        ...

    def read(self, size: int, now_s: float, hurry: bool = False) -> Piece | None:
        """About `size` bytes of rows after the last piece; None when there is nothing to take yet.

        Never waits. A few rows may be left to wait for company, unless `hurry`.
        """
        ...

    def commit(self, after: Mark) -> None:
        """The spool holds everything up to `after`, durably."""
        ...

    def reset(self) -> None:
        """The pieces since the last commit were not kept: give them again."""
        ...

    def close(self) -> None:
        """Let go of what is held; nothing is read any more."""
        ...
