"""How much an agent numbered."""

from __future__ import annotations

import msgspec

from tailrace.core.fleet import Sent
from tailrace.core.frame import Header
from tailrace.core.ledger import CHECKSUM_MASK


class Totals(msgspec.Struct, frozen=True, array_like=True):
    """Of a numbering up to some frame, which was read at `at_ns`; `checksum` is the sum of the
    frames' own, modulo 2^64."""

    frames: int = 0
    rows: int = 0
    bytes: int = 0
    checksum: int = 0
    at_ns: int = 0

    def with_frame(self, header: Header) -> Totals:
        return Totals(
            self.frames + 1,
            self.rows + header.rows,
            self.bytes + header.bytes,
            (self.checksum + header.checksum) & CHECKSUM_MASK,
            header.received_ns,
        )

    def sent(self, upto_seq: int) -> Sent:
        """As it is announced, of the frames below a number."""
        checksum = f"{self.checksum:016x}"
        return Sent(upto_seq, self.at_ns, self.frames, self.rows, self.bytes, checksum)
