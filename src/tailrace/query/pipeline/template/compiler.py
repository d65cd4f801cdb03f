"""A tree to closures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from tailrace.query.pipeline.labels import LabelSet
from tailrace.query.pipeline.template.comparing import COMPARING
from tailrace.query.pipeline.template.function import Function as Known
from tailrace.query.pipeline.template.lexer import BadTemplate
from tailrace.query.pipeline.template.nodes import (
    Branch,
    Command,
    Constant,
    Dot,
    Field,
    Function,
    Inner,
    Leave,
    Node,
    Operand,
    Output,
    Pipe,
    Text,
    Variable,
)
from tailrace.query.pipeline.template.numbers import NUMBERS
from tailrace.query.pipeline.template.state import State
from tailrace.query.pipeline.template.texts import TEXTS
from tailrace.query.pipeline.template.times import TIMES
from tailrace.query.pipeline.template.values import (
    TemplateError,
    Time,
    Value,
    is_true,
    kind,
    shown,
)

Run: TypeAlias = Callable[[State], None]
Read: TypeAlias = Callable[[State], Value]
FUNCTIONS: dict[str, Known] = {**TEXTS, **NUMBERS, **COMPARING, **TIMES}
# Those that need the row, or do not look at all their arguments.
SPECIAL = ("__line__", "__timestamp__", "and", "now", "or")


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


class Compiler:
    """`variables` is how many places the template needs."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        # Names of variables in sight, innermost last, with their places.
        self._scopes: list[dict[str, int]] = [{}]
        # Blocks around that change what `.` means.
        self._within = 0
        self.variables = 0

    def body(self, nodes: Sequence[Node]) -> Run:
        """Runs `nodes` in turn. Raises BadTemplate."""
        self._scopes.append({})
        runs = [self._node(node) for node in nodes]
        self._scopes.pop()
        if len(runs) == 1:
            return runs[0]

        def run(state: State) -> None:
            for one in runs:
                one(state)

        return run

    def _node(self, node: Node) -> Run:
        match node:
            case Text(text):
                return lambda state: state.write(text)
            case Output(pipe):
                return self._output(pipe)
            case Branch():
                return self._branch(node)
            case Leave(word):
                return _leave(_Break if word == "break" else _Continue)

    def _output(self, pipe: Pipe) -> Run:
        read = self._pipe(pipe)
        if pipe.variables:
            place = self._place(pipe)

            def store(state: State) -> None:
                state.variables[place] = read(state)

            return store
        match pipe.commands[0].operands:
            # By far the most of what templates do.
            case (Field((name,)),) if not self._within and len(pipe.commands) == 1:
                return lambda state: state.write(state.labels.get(name))
        return lambda state: state.write(shown(read(state)))

    def _place(self, pipe: Pipe, which: int = 0) -> int:
        name = pipe.variables[which]
        if pipe.declares:
            if name == "$":
                raise BadTemplate("$ cannot be set", pipe.at)
            self._scopes[-1][name] = self.variables
            self.variables += 1
            return self.variables - 1
        return self._seen(name, pipe.at)

    def _seen(self, name: str, at: int) -> int:
        for scope in reversed(self._scopes):
            if name in scope:
                return scope[name]
        raise BadTemplate(f"undefined variable {name}", at)

    def _branch(self, node: Branch) -> Run:
        read = self._pipe(node.pipe)
        self._scopes.append({})
        places = [self._place(node.pipe, which) for which in range(len(node.pipe.variables))]
        self._within += node.word != "if"
        body = self.body(node.body)
        self._within -= node.word != "if"
        otherwise = self.body(node.otherwise)
        self._scopes.pop()
        if node.word == "range":
            return _range(read, places, body, otherwise)
        with_dot = node.word == "with"

        def run(state: State) -> None:
            value = read(state)
            for place in places:
                state.variables[place] = value
            if not is_true(value):
                otherwise(state)
                return
            before = state.dot
            if with_dot:
                state.dot = value
            try:
                body(state)
            finally:
                state.dot = before

        return run

    def _pipe(self, pipe: Pipe) -> Read:
        read: Read | None = None
        for command in pipe.commands:
            read = self._command(command, read)
        assert read is not None
        return read

    def _command(self, command: Command, piped: Read | None) -> Read:
        first = command.operands[0]
        if not isinstance(first, Function):
            return self._operand(first)
        arguments = [self._operand(one) for one in command.operands[1:]]
        if piped is not None:
            arguments.append(piped)
        return self._call(first, arguments)

    def _call(self, function: Function, arguments: list[Read]) -> Read:
        name = function.name
        if name in ("and", "or"):
            if not arguments:
                raise BadTemplate(f"{name} needs an argument", function.at)
            return _short(arguments, name == "and")
        if name in SPECIAL:
            if arguments:
                raise BadTemplate(f"{name} takes no arguments", function.at)
            return self._special(name)
        known = FUNCTIONS.get(name)
        if known is None:
            raise BadTemplate(f"function {name!r} is not defined", function.at)
        if not known.accepts(len(arguments)):
            least = f"{'at least ' if known.rest else ''}{len(known.kinds)}"
            raise BadTemplate(f"{name} takes {least} arguments, not {len(arguments)}", function.at)

        def call(state: State) -> Value:
            values = [read(state) for read in arguments]
            for value in values:
                state.charge(value)
            made = known(name, values)
            state.charge(made)
            return made

        return call

    def _special(self, name: str) -> Read:
        if name == "__line__":
            return lambda state: state.line
        if name == "__timestamp__":
            return lambda state: Time(state.time_ns)
        now_ns = self._now_ns
        return lambda _state: Time(now_ns())

    def _operand(self, operand: Operand) -> Read:
        match operand:
            case Constant(value):
                return lambda _state: value
            case Dot():
                return lambda state: _plain(state.dot)
            case Field(names):
                return _fields(lambda state: state.dot, names)
            case Variable("$", names):
                if not names:
                    return lambda state: state.labels.merged()
                return _fields(lambda state: state.labels, names)
            case Variable(name, names, at):
                place = self._seen(name, at)
                return _fields(lambda state: state.variables[place], names)
            case Function():
                return self._call(operand, [])
            case Inner(pipe, names):
                if pipe.variables:
                    raise BadTemplate("a variable cannot be set in parentheses", pipe.at)
                return _fields(self._pipe(pipe), names)


def _plain(value: Value) -> Value:
    return value.merged() if isinstance(value, LabelSet) else value


def _fields(read: Read, names: tuple[str, ...]) -> Read:
    if not names:
        return read
    first, rest = names[0], names[1:]

    def look(state: State) -> Value:
        value = read(state)
        value = value.get(first) if type(value) is LabelSet else _field(value, first)
        for name in rest:
            value = _field(value, name)
        return value

    return look


def _field(value: Value, name: str) -> Value:
    if isinstance(value, dict):
        return value.get(name)
    raise TemplateError(f"{kind(value)} has no field {name}")


def _short(arguments: list[Read], until_false: bool) -> Read:
    def read(state: State) -> Value:
        value: Value = None
        for argument in arguments:
            value = argument(state)
            if is_true(value) != until_false:
                break
        return value

    return read


def _leave(way: type[Exception]) -> Run:
    def run(_state: State) -> None:
        raise way

    return run


def _items(value: Value) -> list[tuple[Value, Value]]:
    match value:
        case list():
            return list(enumerate(value))
        case dict():
            return sorted(value.items())
        case None:
            return []
    raise TemplateError(f"range over {kind(value)}")


def _range(read: Read, places: list[int], body: Run, otherwise: Run) -> Run:
    def run(state: State) -> None:
        items = _items(read(state))
        if not items:
            otherwise(state)
            return
        before = state.dot
        try:
            for item in items:
                state.round()
                state.dot = item[1]
                # One variable is the value, two are key and value.
                for place, part in zip(places, item[-len(places) :], strict=False):
                    state.variables[place] = part
                try:
                    body(state)
                except _Continue:
                    continue
        except _Break:
            return
        finally:
            state.dot = before

    return run
