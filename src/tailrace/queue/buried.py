"""Which frames are among the dead letters, or were dropped from there, by their numbers."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from tailrace.core import limits
from tailrace.core.contracts import Position
from tailrace.core.errors import StoreError
from tailrace.core.ledger import Numbering, Range, Span, ranges
from tailrace.queue.dead import Letter
from tailrace.queue.files import FileSystem
from tailrace.queue.gone import FOLDER, Key, Why, notes_in
from tailrace.queue.record import Record, heads
from tailrace.queue.segment import Extent, numbers_in, path_of, scan

_decoder = msgspec.msgpack.Decoder(Letter)
_Frame = tuple[Numbering, int]
_T = TypeVar("_T")


class Buried:
    """A Witness of the folder `dead/`, also while it is written to.

    Reads what has come since it was asked before. Of more than `DEAD_LETTERS_KNOWN` the first are
    forgotten; letters whose files were deleted are not, and dropped ones are counted apart. One
    that was replayed before it was read is not known: its frame is in the queue, or stored.
    """

    def __init__(self, files: FileSystem, directory: Path) -> None:
        self._files = files
        self._directory = directory
        self._reading = asyncio.Lock()
        self._upto = Position(0, 0)
        self._noted_upto = Position(0, 0)
        self._known: OrderedDict[_Frame, None] = OrderedDict()
        self._dropped: OrderedDict[_Frame, None] = OrderedDict()
        self._replayed: OrderedDict[Key, None] = OrderedDict()

    async def known(self, spans: Sequence[Span]) -> list[list[Range]]:
        """See Witness."""
        async with self._reading:
            return await asyncio.to_thread(self._look, spans)

    def _look(self, spans: Sequence[Span]) -> list[list[Range]]:
        try:
            # In this order: a letter that goes in between was read.
            self._read_notes()
            self._read()
            self._read_notes()
        except OSError as error:
            raise StoreError(f"dead letters cannot be read: {error.strerror}") from error
        numbers: dict[Numbering, list[int]] = {span.numbering: [] for span in spans}
        for known in (self._known, self._dropped):
            for numbering, seq in known:
                if numbering in numbers:
                    numbers[numbering].append(seq)
        return [
            ranges(s for s in numbers[span.numbering] if span.first_seq <= s <= span.last_seq)
            for span in spans
        ]

    def _read_notes(self) -> None:
        try:
            for upto, note in notes_in(self._files, self._directory / FOLDER, self._noted_upto):
                self._noted_upto = upto
                if note.why is not Why.DROPPED:
                    _remember(self._replayed, note.key)
                elif note.tenant:
                    numbering = Numbering(note.tenant, note.source, note.epoch)
                    _remember(self._dropped, (numbering, note.seq))
        except FileNotFoundError:
            return  # nothing is gone yet

    def _read(self) -> None:
        for number in numbers_in(self._files, self._directory):
            if number < self._upto.segment:
                continue
            try:
                size = self._files.size(path_of(self._directory, number))
                self._read_segment(Extent(number, size))
            except FileNotFoundError:
                continue

    def _read_segment(self, extent: Extent) -> None:
        start = extent.start_after(self._upto)
        for item in scan(self._files, self._directory, extent, start, heads):
            if isinstance(item, Record):
                self._note(item.header, Position(extent.number, item.start))
            elif item.end >= extent.end:
                return  # it may be one that is being written
            self._upto = Position(extent.number, item.end)

    def _note(self, text: bytes, at: Position) -> None:
        try:
            letter = _decoder.decode(text)
        except msgspec.MsgspecError:
            return
        if (header := letter.header) is None:
            return
        if (letter.origin or at, letter.buried_ns) not in self._replayed:
            numbering = Numbering(header.tenant, header.source, header.epoch)
            _remember(self._known, (numbering, header.seq))


def _remember(known: OrderedDict[_T, None], one: _T) -> None:
    """Of too many the first are forgotten."""
    known[one] = None
    if len(known) > limits.DEAD_LETTERS_KNOWN:
        known.popitem(last=False)
