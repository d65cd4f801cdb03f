"""A tree to closures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from tailrace.core.limits import TEMPLATE_CALLS
from tailrace.query.pipeline.labels import LabelSet
from tailrace.query.pipeline.template.dialect import Dialect
from tailrace.query.pipeline.template.fields import called, field, plain
from tailrace.query.pipeline.template.lexer import BadTemplate
from tailrace.query.pipeline.template.nodes import (
    Branch,
    Command,
    Constant,
    Dot,
    Field,
    Function,
    Inner,
    Invoke,
    Leave,
    Node,
    Operand,
    Output,
    Pipe,
    Text,
    Tree,
    Variable,
)
from tailrace.query.pipeline.template.state import State
from tailrace.query.pipeline.template.values import (
    TemplateError,
    Value,
    is_true,
    kind,
    shown,
)

# Each dialect has a State of its own.
Run: TypeAlias = Callable[[Any], None]
Read: TypeAlias = Callable[[Any], Value]


@dataclass(frozen=True)
class Program:
    """`variables` is how many places it needs."""

    run: Run
    variables: int


def compiled(tree: Tree, dialect: Dialect) -> Program:
    """Raises BadTemplate."""
    programs: dict[str, Program] = {}
    for name, nodes in tree.defined.items():
        # Such a template sees only what it is called with.
        programs[name] = _Compiler(dialect, programs).program(nodes)
    return _Compiler(dialect, programs, dialect.given).program(tree.nodes)


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


class _Compiler:
    """`programs`: the templates that may be called, complete only when this one runs."""

    def __init__(
        self, dialect: Dialect, programs: Mapping[str, Program], given: tuple[str, ...] = ()
    ) -> None:
        self._dialect = dialect
        self._programs = programs
        # Names of variables in sight, innermost last, with their places.
        self._scopes = [{name: place for place, name in enumerate(given)}]
        # Blocks around that change what `.` means.
        self._within = 0
        self._variables = len(given)

    def program(self, nodes: Sequence[Node]) -> Program:
        return Program(self._body(nodes), self._variables)

    def _body(self, nodes: Sequence[Node]) -> Run:
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
            case Invoke(name, pipe):
                return _invoke(name, self._pipe(pipe) if pipe else None, self._programs)

    def _output(self, pipe: Pipe) -> Run:
        read = self._pipe(pipe)
        if pipe.variables:
            place = self._place(pipe)

            def store(state: State) -> None:
                state.variables[place] = read(state)

            return store
        match pipe.commands[0].operands:
            # By far the most of what templates do.
            case (Field((name,)),) if self._dialect.of_rows and not (
                self._within or len(pipe.commands) > 1
            ):
                return lambda state: state.write(state.root.get(name))
        return lambda state: state.write(shown(read(state)))

    def _place(self, pipe: Pipe, which: int = 0) -> int:
        name = pipe.variables[which]
        if pipe.declares:
            if name == "$":
                raise BadTemplate("$ cannot be set", pipe.at)
            self._scopes[-1][name] = self._variables
            self._variables += 1
            return self._variables - 1
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
        body = self._body(node.body)
        self._within -= node.word != "if"
        otherwise = self._body(node.otherwise)
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
        arguments = [self._operand(one) for one in command.operands[1:]]
        if not isinstance(first, Function):
            return self._method(first, arguments) if arguments else self._operand(first)
        if piped is not None:
            arguments.append(piped)
        return self._call(first, arguments)

    def _call(self, function: Function, arguments: list[Read]) -> Read:
        name = function.name
        if name in ("and", "or"):
            if not arguments:
                raise BadTemplate(f"{name} needs an argument", function.at)
            return _short(arguments, name == "and")
        known = self._dialect.find(name)
        if known is None:
            raise BadTemplate(f"function {name!r} is not defined", function.at)
        if not known.accepts(len(arguments)):
            if not known.kinds:
                raise BadTemplate(f"{name} takes no arguments", function.at)
            least = f"{'at least ' if known.rest else ''}{len(known.kinds)}"
            raise BadTemplate(f"{name} takes {least} arguments, not {len(arguments)}", function.at)
        reads = name in self._dialect.reading
        if reads and not arguments:
            return known.call

        def call(state: State) -> Value:
            values = [read(state) for read in arguments]
            for value in values:
                state.charge(value)
            known.check(name, values)
            made = known.call(state, *values) if reads else known.call(*values)
            state.charge(made)
            return made

        return call

    def _method(self, operand: Operand, arguments: list[Read]) -> Read:
        """`(toTime 5).Format "15:04"`"""
        assert isinstance(operand, Field | Variable | Inner), "the parser lets no other one"
        name = operand.names[-1]
        of = self._operand(replace(operand, names=operand.names[:-1]))
        methods = self._dialect.methods

        def call(state: State) -> Value:
            value = of(state)
            values = [read(state) for read in arguments]
            made = called(value, name, values, methods)
            state.charge(made)
            return made

        return call

    def _operand(self, operand: Operand) -> Read:
        match operand:
            case Constant(value):
                return lambda _state: value
            case Dot():
                return lambda state: plain(state.dot)
            case Field(names):
                return self._fields(lambda state: state.dot, names)
            case Variable("$", names):
                if not names:
                    return lambda state: plain(state.root)
                return self._fields(lambda state: state.root, names)
            case Variable(name, names, at):
                place = self._seen(name, at)
                return self._fields(lambda state: state.variables[place], names)
            case Function():
                return self._call(operand, [])
            case Inner(pipe, names):
                if pipe.variables:
                    raise BadTemplate("a variable cannot be set in parentheses", pipe.at)
                return self._fields(self._pipe(pipe), names)

    def _fields(self, read: Read, names: tuple[str, ...]) -> Read:
        if not names:
            return read
        first, rest = names[0], names[1:]
        methods = self._dialect.methods

        def look(state: State) -> Value:
            value = read(state)
            value = value.get(first) if type(value) is LabelSet else field(value, first, methods)
            for name in rest:
                value = field(value, name, methods)
            return value

        return look


def _short(arguments: list[Read], until_false: bool) -> Read:
    def read(state: State) -> Value:
        value: Value = None
        for argument in arguments:
            value = argument(state)
            if is_true(value) != until_false:
                break
        return value

    return read


def _invoke(name: str, read: Read | None, programs: Mapping[str, Program]) -> Run:
    def run(state: State) -> None:
        program = programs.get(name)
        if program is None:
            raise TemplateError(f"the template {name!r} is not defined")
        state.round()
        if state.calls >= TEMPLATE_CALLS:
            raise TemplateError(f"templates call one another more than {TEMPLATE_CALLS} deep")
        value = read(state) if read else None
        before = state.root, state.dot, state.variables
        state.root = state.dot = value
        state.variables = [None] * program.variables
        state.calls += 1
        try:
            program.run(state)
        finally:
            state.calls -= 1
            state.root, state.dot, state.variables = before

    return run


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
