"""Intakes that tests drain by hand, as the reading thread does."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from tailrace.agent.feeds.intake import Intake
from tailrace.agent.source import Piece


class Drain:
    """`rows` that came out of an intake, and what was counted on the way."""

    def __init__(self, intake: Intake) -> None:
        self.intake = intake
        self.pieces: list[Piece] = []
        self.rows: list[bytes] = []
        self.dropped: Counter[str] = Counter()
        self.repaired: Counter[str] = Counter()

    def step(self) -> bool:
        """Everything that is there, durably; False when there was nothing."""
        some = False
        while piece := self.intake.read(1 << 20, time.monotonic(), hurry=True):
            self.intake.commit(piece.after)
            self.pieces.append(piece)
            self.rows += bytes(piece.data).splitlines()
            self.dropped.update(piece.dropped)
            self.repaired.update(piece.repaired)
            some = True
        return some

    def until(self, holds: Callable[[], bool], timeout_s: float = 10.0) -> bool:
        """Drain until `holds`; an intake has no event of what comes in."""
        deadline = time.monotonic() + timeout_s
        while not holds():
            if time.monotonic() > deadline:
                return False
            if not self.step():
                time.sleep(0.005)
        return True

    def count(self, number: int, timeout_s: float = 10.0) -> bool:
        """Drain until there are that many rows."""
        return self.until(lambda: len(self.rows) >= number, timeout_s)

    def records(self) -> Iterator[dict[str, Any]]:
        for row in self.rows:
            yield json.loads(row)

    def bodies(self) -> list[str]:
        return [record["body"] for record in self.records()]
