"""The door: a template compiled once, filled in for row after row."""

from __future__ import annotations

from collections.abc import Callable

from tailrace.query.pipeline.labels import LabelSet
from tailrace.query.pipeline.template.comparing import COMPARING
from tailrace.query.pipeline.template.compiler import compiled
from tailrace.query.pipeline.template.dialect import Dialect
from tailrace.query.pipeline.template.function import Function
from tailrace.query.pipeline.template.lexer import BadTemplate
from tailrace.query.pipeline.template.numbers import NUMBERS
from tailrace.query.pipeline.template.parser import parse, refused
from tailrace.query.pipeline.template.state import Row
from tailrace.query.pipeline.template.texts import TEXTS
from tailrace.query.pipeline.template.times import TIMES
from tailrace.query.pipeline.template.values import Time

FUNCTIONS: dict[str, Function] = {**TEXTS, **NUMBERS, **COMPARING, **TIMES}
# Those that read the row, or do not look at all their arguments.
SPECIAL = ("__line__", "__timestamp__", "and", "now", "or")


class Template:
    """Raises QueryError with `position`, the place of the stage."""

    def __init__(self, text: str, position: int, now_ns: Callable[[], int]) -> None:
        try:
            program = compiled(parse(text), _dialect(now_ns))
        except BadTemplate as bad:
            raise refused(bad, position) from None
        self._run = program.run
        self._variables = program.variables

    def text(self, line: str, labels: LabelSet, time_ns: int) -> str:
        """What the template makes of a row, at most TEMPLATE_CHARS. Raises TemplateError."""
        row = Row(line, labels, time_ns, self._variables)
        self._run(row)
        return "".join(row.out)


def _dialect(now_ns: Callable[[], int]) -> Dialect:
    reading = {
        "__line__": Function("", lambda row: row.line),
        "__timestamp__": Function("", lambda row: Time(row.time_ns)),
        "now": Function("", lambda _row: Time(now_ns())),
    }
    return Dialect(FUNCTIONS, reading, of_rows=True)
