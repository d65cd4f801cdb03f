"""The tree of a template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from tailrace.query.pipeline.template.values import Value


@dataclass(frozen=True)
class Dot:
    """`.`"""


@dataclass(frozen=True)
class Constant:
    """A text, number, true, false or nil."""

    value: Value


@dataclass(frozen=True)
class Field:
    """`.a.b`"""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Variable:
    """`$x.a.b`, and `$` for what the template began with."""

    name: str
    names: tuple[str, ...]
    at: int


@dataclass(frozen=True)
class Function:
    """The name of a function."""

    name: str
    at: int


@dataclass(frozen=True)
class Inner:
    """`(pipe).a.b`"""

    pipe: Pipe
    names: tuple[str, ...]


Operand: TypeAlias = Dot | Constant | Field | Variable | Function | Inner


@dataclass(frozen=True)
class Command:
    """A function and its arguments, or one operand."""

    operands: tuple[Operand, ...]
    at: int


@dataclass(frozen=True)
class Pipe:
    """`$a, $b := command | command`; `declares` is false for `=`."""

    variables: tuple[str, ...]
    declares: bool
    commands: tuple[Command, ...]
    at: int


@dataclass(frozen=True)
class Text:
    """What is written as it is."""

    text: str


@dataclass(frozen=True)
class Output:
    """`{{pipe}}`"""

    pipe: Pipe


@dataclass(frozen=True)
class Branch:
    """if, with or range, by `word`."""

    word: str
    pipe: Pipe
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


@dataclass(frozen=True)
class Leave:
    """break or continue, by `word`."""

    word: str


@dataclass(frozen=True)
class Invoke:
    """`{{template "name" pipe}}`, without a pipe with nil."""

    name: str
    pipe: Pipe | None


Node: TypeAlias = Text | Output | Branch | Leave | Invoke


@dataclass(frozen=True)
class Tree:
    """A template, and those that it defines, by name."""

    nodes: tuple[Node, ...]
    defined: Mapping[str, tuple[Node, ...]]
