"""The rows of a request: those that can be kept, and a count of those that cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tailrace.core import limits
from tailrace.core.errors import InputError, TooLarge
from tailrace.core.frame import Codec, Signal
from tailrace.wire.content import Content
from tailrace.wire.fitting import check_decoded

# A body and attributes that are each within their limits fit; a character may take more as JSON.
LINE_BYTES = 3 * limits.LINE_BYTES
_encoder = msgspec.json.Encoder()


class Export(msgspec.Struct, frozen=True):
    """What came of a request. `content` is None when it held nothing, which is a success.

    `rejected` records, spans or data points were left out; `message` says why the first was.
    """

    content: Content | None
    rejected: int = 0
    message: str = ""
    reasons: dict[str, int] = {}


class Kept:
    """Collects rows; `export` ends it."""

    def __init__(self, signal: Signal) -> None:
        self._signal = signal
        self._out = bytearray()
        self._rows = 0
        self._beyond = 0  # rows of data points beyond the first of each
        self._refused: InputError | None = None
        self._reasons: dict[str, int] = {}

    def add_many(self, rows: Sequence[msgspec.Struct], what: str) -> None:
        """Rows of one kind, of which those that are too long are left out. Raises TooLarge
        ("expanded") like `add`."""
        data = _encoder.encode_lines(rows)
        if len(data) > LINE_BYTES:  # one of them may be too long
            for row in rows:
                try:
                    self.add(row)
                except TooLarge as error:
                    self.reject(error, what)
            return
        self._out += data
        self._rows += len(rows)
        self._check_size()

    def add(self, row: msgspec.Struct) -> None:
        """Raises TooLarge: "line_length" when the row is too long, and then it is not there,
        "expanded" when all rows together pass DECODED_BYTES."""
        out = self._out
        start = len(out)
        _encoder.encode_into(row, out, start)
        out += b"\n"
        if len(out) - start > LINE_BYTES:
            del out[start:]
            raise TooLarge(
                f"longer than {LINE_BYTES} bytes with its attributes; shorten them", "line_length"
            )
        self._rows += 1
        self._check_size()

    def add_all(self, rows: Sequence[msgspec.Struct]) -> None:
        """The rows of one data point, all or none; raises like `add`."""
        size, before = len(self._out), self._rows
        try:
            for row in rows:
                self.add(row)
        except TooLarge:
            del self._out[size:]
            self._rows = before
            raise
        self._beyond += max(0, len(rows) - 1)

    def reject(self, error: InputError, what: str, number: int = 1, before: int = 0) -> None:
        """Leave out `number` of `what`, where `before` rows are yet to be added.

        Raises `error` when it is about the whole body.
        """
        if error.reason == "expanded":
            raise error
        if self._refused is None and number:
            kind = type(error)
            place = before + self._rows - self._beyond + sum(self._reasons.values()) + 1
            self._refused = kind(f"{what} {place}: {error}", error.reason)
        self._reasons[error.reason] = self._reasons.get(error.reason, 0) + number

    def _check_size(self) -> None:
        check_decoded(len(self._out), "resources repeated for each row")

    def export(self, repaired: Mapping[str, int]) -> Export:
        """All of it. Raises the first row's error when no row could be kept."""
        if not self._rows:
            if self._refused:
                raise self._refused
            return Export(None)
        content = Content(
            Codec.RECORDS,
            bytes(self._out),
            self._rows,
            repaired=dict(repaired),
            signal=self._signal,
        )
        rejected = sum(self._reasons.values())
        return Export(content, rejected, str(self._refused or ""), self._reasons)
