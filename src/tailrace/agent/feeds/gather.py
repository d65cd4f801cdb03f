"""Rows on their way to an intake, put together: a batch costs as much as a hundred rows."""

from __future__ import annotations

import time
from collections.abc import Mapping

from tailrace.agent.feeds.intake import Batch, Intake
from tailrace.core import limits
from tailrace.core.frame import Codec
from tailrace.wire.fitting import count

BATCH_BYTES = 128 * limits.KIB
DELAY_S = 0.1


class Gather:
    """Rows of one kind. One thread."""

    def __init__(
        self,
        intake: Intake,
        codec: Codec,
        checked: bool = False,
        resource: Mapping[str, str] | None = None,
    ) -> None:
        self._intake = intake
        self._codec = codec
        self._checked = checked
        self._resource = resource or {}
        self._clear()

    def _clear(self) -> None:
        self._parts: list[bytes] = []
        self._bytes = 0
        self.rows = 0
        self._repaired: dict[str, int] = {}
        self._dropped: dict[str, int] = {}
        self._since_s: float | None = None

    def add(self, data: bytes, rows: int, repaired: Mapping[str, int] | None = None) -> None:
        """Whole rows; the caller stops when a batch is due and cannot be put."""
        for reason, number in (repaired or {}).items():
            if number:
                count(self._repaired, reason, number)
        self._parts.append(data)
        self._bytes += len(data)
        self.rows += rows
        self._begin()

    def drop(self, reason: str, number: int) -> None:
        """Count rows that were left out."""
        if number:
            count(self._dropped, reason, number)
            self._begin()

    def _begin(self) -> None:
        if self._since_s is None:
            self._since_s = time.monotonic()

    def wait_s(self) -> float | None:
        """Seconds until there is a batch to put, 0 for now; None when there is nothing."""
        if self._since_s is None:
            return None
        if self._bytes >= BATCH_BYTES:
            return 0.0
        return max(0.0, self._since_s + DELAY_S - time.monotonic())

    def put(self, wait_s: float) -> bool:
        """False when the intake had no room within `wait_s`; then it is kept for the next try."""
        if self._since_s is None:
            return True
        batch = Batch(
            b"".join(self._parts),
            self.rows,
            self._codec,
            checked=self._checked,
            resource=self._resource,
            repaired=self._repaired,
            dropped=self._dropped,
        )
        if self._intake.put(batch, wait_s) is None:
            self._parts = [batch.data]
            return False
        self._clear()
        return True
