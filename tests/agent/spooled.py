"""Entries of a spool as the framer makes them, with invented content."""

from __future__ import annotations

from tailrace.agent.checkpoints import Mark
from tailrace.agent.delivery.entries import Entry, Note
from tailrace.core.clock import ManualClock
from tailrace.core.frame import Frame, Header, Lane
from tailrace.wire import frames

SOURCE = "agent-x"
NOW_NS = ManualClock().wall_ns()


def entry(
    number: int,
    epoch: int = 5,
    offset: int = 0,
    lane: Lane = Lane.BOTH,
    more: bool = False,
    read_ns: int = NOW_NS,
    size: int = 400,
) -> Entry:
    """One row of 10 bytes, in a frame of about `size` bytes on disk."""
    header = Header("default", SOURCE, epoch, number, 1, 10, 0, read_ns, lane)
    wire = frames.encode([Frame(header, b"%d" % number * (size // len(str(number))))])
    mark = Mark("/a.log", offset or number * 10)
    note = Note(number, epoch, number, 1, "1:2", mark, lane, more)
    return Entry(note, wire[len(frames.MAGIC) :])
