"""When the archive is looked after."""

from __future__ import annotations

from tailrace.app.archiving import busy
from tailrace.core import limits


class Queue:
    """Holds so much."""

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes


def test_with_much_in_the_queue_nothing_is_packed() -> None:
    assert not busy(Queue(limits.ARCHIVE_PACKING_QUEUE_BYTES))
    assert busy(Queue(limits.ARCHIVE_PACKING_QUEUE_BYTES + 1))
