"""A query in its place."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tailrace.core.bounds import Used
from tailrace.query.bounds.allowance import Allowance
from tailrace.query.bounds.question import Question
from tailrace.query.plan import Statement


@dataclass
class Running:
    """`kind` is a constant of the code. `slowest` is the statement that took longest so far.
    `together`: what a statement may read is less by what was read since then."""

    question: Question
    kind: str
    allowed: Allowance
    began_s: float
    slowest: Statement | None = None
    slowest_s: float = 0.0
    together: Used | None = None

    @property
    def left(self) -> Allowance:
        """What the next statement may take."""
        if self.together is None:
            return self.allowed
        used, before = self.question.used, self.together
        return replace(
            self.allowed,
            read_rows=_less(self.allowed.read_rows, used.rows - before.rows),
            read_bytes=_less(self.allowed.read_bytes, used.bytes - before.bytes),
        )


def _less(most: int, used: int) -> int:
    """0 is no bound; the least one stops whatever reads."""
    return max(most - used, 1) if most else 0
