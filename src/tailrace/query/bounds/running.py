"""A query in its place."""

from __future__ import annotations

from dataclasses import dataclass

from tailrace.query.bounds.allowance import Allowance
from tailrace.query.bounds.question import Question
from tailrace.query.plan import Statement


@dataclass
class Running:
    """`kind` is a constant of the code. `slowest` is the statement that took longest so far."""

    question: Question
    kind: str
    allowed: Allowance
    began_s: float
    slowest: Statement | None = None
    slowest_s: float = 0.0
