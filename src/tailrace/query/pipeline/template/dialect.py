"""What a template may use beyond the language itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tailrace.query.pipeline.template.function import Function


@dataclass(frozen=True)
class Dialect:
    """`functions` know their arguments only; those of `reading` get the State before them.

    `methods`: of times, which they get first; only where the parser reads the whole language.
    `given`: variables that are there from the beginning, at the first places of the State's.
    `of_rows`: the root is a LabelSet.
    """

    functions: Mapping[str, Function]
    reading: Mapping[str, Function]
    methods: Mapping[str, Function] = field(default_factory=dict)
    given: tuple[str, ...] = ()
    of_rows: bool = False

    def find(self, name: str) -> Function | None:
        """A function by its name."""
        return self.functions.get(name) or self.reading.get(name)
