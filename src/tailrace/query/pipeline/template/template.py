"""The door: a template compiled once, filled in for row after row."""

from __future__ import annotations

from collections.abc import Callable

from tailrace.query.pipeline.labels import LabelSet
from tailrace.query.pipeline.template.compiler import Compiler
from tailrace.query.pipeline.template.lexer import BadTemplate
from tailrace.query.pipeline.template.parser import parse, refused
from tailrace.query.pipeline.template.state import State


class Template:
    """Raises QueryError with `position`, the place of the stage."""

    def __init__(self, text: str, position: int, now_ns: Callable[[], int]) -> None:
        compiler = Compiler(now_ns)
        try:
            self._run = compiler.body(parse(text))
        except BadTemplate as bad:
            raise refused(bad, position) from None
        self._variables = compiler.variables

    def text(self, line: str, labels: LabelSet, time_ns: int) -> str:
        """What the template makes of a row, at most TEMPLATE_CHARS. Raises TemplateError."""
        state = State(line, labels, time_ns, self._variables)
        self._run(state)
        return "".join(state.out)
