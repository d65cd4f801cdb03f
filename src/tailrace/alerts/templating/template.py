"""A template of a label or an annotation, compiled once and filled in for every alert."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from tailrace.alerts.templating.functions import FUNCTIONS, METHODS, Sample
from tailrace.core.limits import ALERT_TEXT_CHARS, RULE_TEMPLATE_CHARS
from tailrace.query.pipeline.template.compiler import Program, compiled
from tailrace.query.pipeline.template.dialect import Dialect
from tailrace.query.pipeline.template.function import Function
from tailrace.query.pipeline.template.lexer import BadTemplate
from tailrace.query.pipeline.template.parser import parse
from tailrace.query.pipeline.template.state import State
from tailrace.query.pipeline.template.values import Record, TemplateError, Texts, Value


@dataclass(frozen=True)
class Data:
    """What a template may read. `at_ns`: the evaluation's time."""

    labels: Mapping[str, str]
    value: float
    external_labels: Mapping[str, str]
    external_url: str
    at_ns: int


class Expansion(State):
    """One filling in. `find` gives the samples of a query, and may raise what it likes. `over` is
    asked in every loop and function whether there is no time left."""

    __slots__ = ("data", "find", "over")

    def __init__(
        self,
        data: Data,
        variables: int,
        find: Callable[[str], list[Sample]],
        over: Callable[[], bool],
    ) -> None:
        fields = {
            "Labels": Texts(data.labels),
            "ExternalLabels": Texts(data.external_labels),
            "ExternalURL": data.external_url,
            "Value": float(data.value),
        }
        given = [fields[name] for name in _GIVEN.values()]
        super().__init__(Record(fields), given + [None] * (variables - len(given)))
        self.data = data
        self.find = find
        self.over = over

    def charge(self, value: Value) -> None:
        super().charge(value)
        self._check_time()

    def round(self) -> None:
        super().round()
        self._check_time()

    def _check_time(self) -> None:
        if self.over():
            raise TemplateError("it takes too long")


_GIVEN = {
    "$labels": "Labels",
    "$externalLabels": "ExternalLabels",
    "$externalURL": "ExternalURL",
    "$value": "Value",
}
READING: dict[str, Function] = {
    "externalURL": Function("", lambda run: run.data.external_url),
    "now": Function("", lambda run: run.data.at_ns / 1e9),
    "pathPrefix": Function("", lambda run: urlsplit(run.data.external_url).path),
    "query": Function("s", lambda run, text: run.find(text)),
}
_DIALECT = Dialect(FUNCTIONS, READING, METHODS, tuple(_GIVEN))


class Template:
    """`error`: what is wrong with it and where, "" when nothing is."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.error = ""
        self._program: Program | None = None
        if "{{" in text:
            self._compile()

    def expand(
        self, data: Data, find: Callable[[str], list[Sample]], over: Callable[[], bool]
    ) -> str:
        """At most ALERT_TEXT_CHARS. Raises TemplateError, and what `find` raises."""
        if self.error:
            raise TemplateError(self.error)
        if self._program is None:
            return self.text
        expansion = Expansion(data, self._program.variables, find, over)
        try:
            self._program.run(expansion)
        except RecursionError:
            raise TemplateError("it is nested too deep") from None
        found = "".join(expansion.out)
        if len(found) > ALERT_TEXT_CHARS:
            raise TemplateError(f"it writes more than {ALERT_TEXT_CHARS} characters")
        return found

    def _compile(self) -> None:
        if len(self.text) > RULE_TEMPLATE_CHARS:
            self.error = f"a template of more than {RULE_TEMPLATE_CHARS} characters"
            return
        try:
            self._program = compiled(parse(self.text, whole=True), _DIALECT)
        except BadTemplate as bad:
            self.error = f"{bad} (character {bad.at + 1} of the template)"


def check(text: str) -> str | None:
    """What is wrong with a template, and where; None when nothing is."""
    return Template(text).error or None
