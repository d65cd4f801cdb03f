"""Which frames are among the dead letters, by their numbers."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import msgspec

from tailrace.core import limits
from tailrace.core.contracts import Position
from tailrace.core.errors import StoreError
from tailrace.core.ledger import Numbering, Range, Span, ranges
from tailrace.queue.dead import Letter
from tailrace.queue.files import FileSystem
from tailrace.queue.record import Record
from tailrace.queue.segment import Extent, numbers_in, path_of, scan

_decoder = msgspec.msgpack.Decoder(Letter)


class Buried:
    """A Witness of the folder `dead/`, also while it is written to.

    Reads what has come since it was asked before. Of more than `DEAD_LETTERS_KNOWN` the first are
    forgotten; letters whose files were deleted are not.
    """

    def __init__(self, files: FileSystem, directory: Path) -> None:
        self._files = files
        self._directory = directory
        self._reading = asyncio.Lock()
        self._upto = Position(0, 0)
        self._known: OrderedDict[tuple[Numbering, int], None] = OrderedDict()

    async def known(self, spans: Sequence[Span]) -> list[list[Range]]:
        """See Witness."""
        async with self._reading:
            return await asyncio.to_thread(self._look, spans)

    def _look(self, spans: Sequence[Span]) -> list[list[Range]]:
        try:
            self._read()
        except OSError as error:
            raise StoreError(f"dead letters cannot be read: {error.strerror}") from error
        numbers: dict[Numbering, list[int]] = {span.numbering: [] for span in spans}
        for numbering, seq in self._known:
            if numbering in numbers:
                numbers[numbering].append(seq)
        return [
            ranges(s for s in numbers[span.numbering] if span.first_seq <= s <= span.last_seq)
            for span in spans
        ]

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
        for item in scan(self._files, self._directory, extent, start):
            if isinstance(item, Record):
                self._note(item.header)
            elif item.end >= extent.end:
                return  # it may be one that is being written
            self._upto = Position(extent.number, item.end)

    def _note(self, letter: bytes) -> None:
        try:
            header = _decoder.decode(letter).header
        except msgspec.MsgspecError:
            return
        if header is not None:
            numbering = Numbering(header.tenant, header.source, header.epoch)
            self._known[(numbering, header.seq)] = None
        if len(self._known) > limits.DEAD_LETTERS_KNOWN:
            self._known.popitem(last=False)
