"""One run of a template: what it reads, what it wrote, and what it may still do."""

from __future__ import annotations

from tailrace.core.limits import TEMPLATE_CHARS, TEMPLATE_ROUNDS, TEMPLATE_WORK_CHARS
from tailrace.query.pipeline.labels import LabelSet
from tailrace.query.pipeline.template.values import TemplateError, Value


class State:
    """`root`: what the template was given, `$`. `dot`: what `.` means here; the root at first.

    `calls`: templates that are called within one another.
    """

    __slots__ = ("calls", "chars", "dot", "out", "root", "rounds", "variables", "work")

    def __init__(self, root: Value, variables: list[Value]) -> None:
        self.root = root
        self.dot = root
        self.variables = variables
        self.out: list[str] = []
        self.calls = 0
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


class Row(State):
    """Of a row of logs, whose labels are the root."""

    __slots__ = ("line", "time_ns")

    def __init__(self, line: str, labels: LabelSet, time_ns: int, variables: int) -> None:
        super().__init__(labels, [None] * variables)
        self.line = line
        self.time_ns = time_ns
