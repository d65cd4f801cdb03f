"""What was read for many rules, for those whose turn comes later."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import NamedTuple, TypeAlias

from tailrace.core import limits
from tailrace.core.clock import Clock
from tailrace.core.errors import QueryError
from tailrace.query.matrix.matrix import Matrix
from tailrace.query.matrix.pieces import memory_bytes

# By value, see scans.py.
Series: TypeAlias = Mapping[str, Matrix]
# What is kept of a question, and of each of its values, that found nothing.
_LEAST_BYTES = 1_000
_VALUE_BYTES = 500


class _One(NamedTuple):
    until_s: float
    series: Series
    bytes: int


class Kept:
    """SCANS_KEPT_BYTES of series for SCAN_KEPT_S; the oldest go first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[Hashable, _One] = {}
        self._bytes = 0

    @property
    def bytes(self) -> int:
        """What is kept, about."""
        return self._bytes

    def get(self, scan: Hashable) -> Series | None:
        """What was read of a question, if it is still kept."""
        self._let_go()
        known = self._kept.get(scan)
        return known and known.series

    def keep(self, scan: Hashable, series: Series) -> None:
        """Raises QueryError for what is a large part of all that may be kept: it would have to be
        read again and again."""
        size = _LEAST_BYTES + sum(_VALUE_BYTES + memory_bytes(one) for one in series.values())
        if size > limits.SCANS_KEPT_BYTES // 4:
            raise QueryError("what is read for many rules is more than can be kept for them")
        self._bytes += size - (self._kept[scan].bytes if scan in self._kept else 0)
        self._kept.pop(scan, None)  # so that the oldest stay the first
        self._kept[scan] = _One(self._clock.monotonic_s() + limits.SCAN_KEPT_S, series, size)
        self._let_go()

    def _let_go(self) -> None:
        """Of what is too old, and of the oldest where there is too much."""
        now_s = self._clock.monotonic_s()
        for scan, one in list(self._kept.items()):
            if one.until_s > now_s and self._bytes <= limits.SCANS_KEPT_BYTES:
                break
            del self._kept[scan]
            self._bytes -= one.bytes
