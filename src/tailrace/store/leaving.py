"""Files of the archive that count no more, and that a query which began before may still read.

They are deleted GRACE_S after others took their place, which is longer than a query may take. A
process that ends leaves them behind; the archive deletes what its manifest does not list when it
opens, and no query of before is alive then.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from tailrace.core.clock import Clock

GRACE_S = 3600.0


class Leaving:
    """Those of one archive, the first to go first. `sweep` blocks; used by one task at a time."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._due: deque[tuple[float, str]] = deque()

    def __len__(self) -> int:
        return len(self._due)

    def add(self, paths: Sequence[str]) -> None:
        """Delete them when their time has come."""
        due_s = self._clock.monotonic_s() + GRACE_S
        self._due.extend((due_s, path) for path in paths)

    def sweep(self) -> int:
        """Delete those that are due, and folders that they leave empty: how many. Raises OSError;
        what is left is tried again next time."""
        gone = 0
        while self._due and self._due[0][0] <= self._clock.monotonic_s():
            path = self._directory / self._due[0][1]
            path.unlink(missing_ok=True)
            self._due.popleft()
            gone += 1
            with contextlib.suppress(OSError):  # others are in it, or it is gone
                path.parent.rmdir()
                path.parent.parent.rmdir()
        return gone
