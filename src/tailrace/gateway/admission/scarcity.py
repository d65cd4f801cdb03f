"""What has to wait while a disk fills: first what may be late, then all."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from tailrace.core.contracts import Room
from tailrace.core.errors import Busy
from tailrace.core.frame import Frame, Lane
from tailrace.gateway.admission.refusals import Reason

# Space comes back when somebody makes some: bulk may as well wait for a minute.
_BULK_RETRY_S = 60.0
_RETRY_S = 15.0


class Scarcity:
    """Refuses the share of requests that `room` says.

    Which ones is left to chance: one of every two in turn could be the same sender's each time.
    """

    def __init__(self, room: Room, chance: Callable[[], float] = random.random) -> None:
        """`chance` gives numbers from 0 up to 1, without it."""
        self._room = room
        self._chance = chance

    def check(self, frames: Sequence[Frame]) -> None:
        """Raises Busy when these frames have to wait: as what may be late only where all of them
        may be."""
        late = all(frame.header.lane is Lane.BULK for frame in frames)
        share = self._room.refused(late)
        if share and self._chance() < share:
            raise self._busy(late)

    def check_all(self) -> None:
        """Raises Busy when everything has to wait: before a body is read."""
        if self._room.refused(late=False) >= 1.0:
            raise self._busy(late=False)

    def _busy(self, late: bool) -> Busy:
        reason: Reason = "space_bulk" if late else "space_hot"
        wait_s = _BULK_RETRY_S if late else _RETRY_S
        return Busy(f"{self._room.said()}; try again", wait_s, reason=reason)
