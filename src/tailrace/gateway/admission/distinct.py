"""How many different things came, in memory that does not depend on what comes.

A Bloom filter sized for the limit (B. Bloom, 1970; the two-hash form of A. Kirsch and
M. Mitzenmacher, 2006): 12 bits for each item and 6 probes, so that at the limit one new item in
300 is taken for a known one. It is then let in uncounted, which is the harmless side.
"""

from __future__ import annotations

from collections.abc import Iterable

_BITS_PER_ITEM = 12
_PROBES = 6
_LEAST_BITS = 1024
_HALF = 0xFFFFFFFF


class Distinct:
    """Counts 64-bit hashes up to `limit`."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.count = 0
        self._size = max(_LEAST_BITS, limit * _BITS_PER_ITEM)
        self._bits = bytearray((self._size + 7) // 8)

    def new(self, hashes: Iterable[int]) -> list[int]:
        """Those of `hashes` that have not been added."""
        return [item for item in hashes if not self._known(item)]

    def add(self, hashes: Iterable[int]) -> None:
        """Add what `new` gave."""
        for item in hashes:
            self.count += 1
            for place in self._places(item):
                self._bits[place >> 3] |= 1 << (place & 7)

    def _known(self, item: int) -> bool:
        return all(self._bits[place >> 3] >> (place & 7) & 1 for place in self._places(item))

    def _places(self, item: int) -> Iterable[int]:
        first, second = item & _HALF, (item >> 32) | 1
        return ((first + n * second) % self._size for n in range(_PROBES))
