"""A segment of the spool written anew without some of its entries, and what is lost with them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from tailrace.agent.delivery import entries
from tailrace.agent.delivery.entries import Entry
from tailrace.agent.delivery.losses import Loss, join
from tailrace.core.frame import Lane
from tailrace.wire import frames


def rewrite(source: Path, end: int, target: Path, keep: Callable[[Entry], bool]) -> int:
    """The entries of `source` before the byte `end` that are to be kept, in `target`, synced.

    `keep` is asked once for each, in order. Damaged ones are left out. An entry that is kept takes
    over the mark of those of its piece that are left out behind it. Returns the bytes of `target`.
    Raises OSError; then `target` may be there, of no use.
    """
    size = 0
    held: Entry | None = None
    with source.open("rb", buffering=0) as old, target.open("wb", buffering=0) as new:
        os.fchmod(new.fileno(), 0o600)
        for _, entry in entries.walk(old.fileno(), end):
            if entry is None:
                continue
            if keep(entry):
                size += _put(new.fileno(), held)
                held = entry
            elif held is not None and held.note.more:
                more, mark = entry.note.more, entry.note.mark
                held = Entry(msgspec.structs.replace(held.note, more=more, mark=mark), held.frame)
        size += _put(new.fileno(), held)
        os.fsync(new.fileno())
    return size


def _put(descriptor: int, entry: Entry | None) -> int:
    return entries.write(descriptor, entries.encode(entry)) if entry else 0


class Dropping:
    """Which entries of a segment stay when bulk is given up, and what is lost with the others.

    Of the bulk lane go those that were read before `before_ns`, up to the first that was not.
    """

    def __init__(
        self, acked: Mapping[Lane, int], following: int, before_ns: int, reason: str, now_ns: int
    ) -> None:
        """`following`: the first number that the segment has nothing of."""
        self._acked = acked
        self._following = following
        self._before_ns = before_ns
        self._reason = reason
        self._now_ns = now_ns
        self.last = dict.fromkeys(acked, 0)  # that stay
        self.upto = 0  # the number after the last that is given up
        self.young = False
        self.lost: list[Loss] = []

    def keep(self, entry: Entry) -> bool:
        note = entry.note
        lane = entries.lane_of(note)
        if not self._acked[lane] <= note.entry < self._following:
            return False
        if lane is Lane.BULK and not self.young:
            loss, received_ns = loss_of(entry, self._reason, self._now_ns)
            self.young = received_ns >= self._before_ns
            if not self.young:
                join(self.lost, loss)
                self.upto = note.entry + 1
                return False
        self.last[lane] = note.entry
        return True


def loss_of(entry: Entry, reason: str, now_ns: int) -> tuple[Loss, int]:
    """What is lost with an entry, and when it was read."""
    note, header = entry.note, frames.header(entry.frame)
    loss = Loss(
        header.source, note.epoch, note.seq, note.seq, note.rows, header.bytes, reason, now_ns
    )
    return loss, header.received_ns
