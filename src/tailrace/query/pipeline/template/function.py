"""What a function of a template is, and how arguments reach it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tailrace.core.limits import TEMPLATE_CHARS
from tailrace.query.pipeline.template.values import TemplateError, Time, Value, kind

_ACCEPTED: dict[str, tuple[type, ...]] = {
    "s": (str,),
    "i": (int,),
    "f": (float, int),
    "t": (Time,),
}
_NAMES = {"s": "string", "i": "int", "f": "float64", "t": "time.Time"}


@dataclass(frozen=True)
class Function:
    """`call` gets arguments of `kinds`: s text, i int, f float, t time, a any.

    `rest`: the kind of any number of further ones. `call` raises TemplateError.
    """

    kinds: str
    call: Callable[..., Value]
    rest: str = ""

    def accepts(self, count: int) -> bool:
        """Whether so many arguments fit."""
        return count == len(self.kinds) or (count > len(self.kinds) and bool(self.rest))

    def __call__(self, name: str, values: Sequence[Value]) -> Value:
        """Raises TemplateError."""
        self.check(name, values)
        return self.call(*values)

    def check(self, name: str, values: Sequence[Value]) -> None:
        """Whether arguments are of their kinds. Raises TemplateError."""
        kinds = self.kinds.ljust(len(values), self.rest or "a")
        for wanted, value in zip(kinds, values, strict=False):
            accepted = _ACCEPTED.get(wanted)
            if accepted and (not isinstance(value, accepted) or isinstance(value, bool)):
                expected = _NAMES[wanted]
                raise TemplateError(f"{name}: expected {expected}, found {kind(value)}")


def fits(chars: int) -> None:
    """Raises TemplateError for a text that would become too long."""
    if chars > TEMPLATE_CHARS:
        raise TemplateError(f"a text of more than {TEMPLATE_CHARS} characters")
