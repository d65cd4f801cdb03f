"""One run of a template: what it reads, what it wrote, and what it may still do."""

from __future__ import annotations

from tailrace.core.limits import TEMPLATE_CHARS, TEMPLATE_ROUNDS, TEMPLATE_WORK_CHARS
from tailrace.query.pipeline.labels import LabelSet
from tailrace.query.pipeline.template.values import TemplateError, Value


class State:
    """`dot`: what `.` means here; the labels themselves at first."""

    __slots__ = ("chars", "dot", "labels", "line", "out", "rounds", "time_ns", "variables", "work")

    def __init__(self, line: str, labels: LabelSet, time_ns: int, variables: int) -> None:
        self.line = line
        self.labels = labels
        self.time_ns = time_ns
        self.dot: Value = labels
        self.variables: list[Value] = [None] * variables
        self.out: list[str] = []
        self.chars = TEMPLATE_CHARS
        self.work = TEMPLATE_WORK_CHARS
        self.rounds = TEMPLATE_ROUNDS

    def write(self, text: str) -> None:
        """Raises TemplateError beyond TEMPLATE_CHARS."""
        self.chars -= len(text)
        if self.chars < 0:
            raise TemplateError(f"it writes more than {TEMPLATE_CHARS} characters")
        self.out.append(text)

    def charge(self, value: Value) -> None:
        """Count a value that a function takes or gives. Raises TemplateError."""
        self.work -= len(value) + 16 if isinstance(value, str | list | dict) else 16
        if self.work < 0:
            raise TemplateError("it takes too much work")

    def round(self) -> None:
        """Count a round of a loop. Raises TemplateError."""
        self.rounds -= 1
        if self.rounds < 0:
            raise TemplateError(f"more than {TEMPLATE_ROUNDS} rounds of loops")
