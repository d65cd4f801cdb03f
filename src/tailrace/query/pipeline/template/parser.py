"""Pieces to a tree, by recursive descent with a bounded depth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tailrace.core.limits import TEMPLATE_DEPTH
from tailrace.query.pipeline.step import refuse
from tailrace.query.pipeline.template.lexer import Action, BadTemplate, Token, pieces
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

_CONSTANTS = {"true": True, "false": False, "nil": None}
_NAMING = ("define", "template", "block")


def parse(text: str, whole: bool = False) -> Tree:
    """`whole`: with what LogQL has no use for, templates within templates and methods of values.

    Raises BadTemplate.
    """
    parser = _Blocks(text, whole)
    nodes, end = parser.nodes(0, False)
    if end is not None:
        raise BadTemplate(f"unexpected {{{{{end.tokens[0].text}}}}}", end.at)
    return Tree(nodes, parser.defined)


def fields(text: str, position: int) -> frozenset[str] | None:
    """The labels that a template reads, None where it looks at all. Raises QueryError."""
    try:
        nodes = parse(text).nodes
    except BadTemplate as bad:
        raise refused(bad, position) from None
    found: set[str] = set()
    for operand in _operands(nodes):
        match operand:
            case Dot() | Variable(name="$", names=()):
                return None
            case Field() | Variable(name="$"):
                found.add(operand.names[0])
    return frozenset(found)


def refused(bad: BadTemplate, position: int) -> Exception:
    """The QueryError of a template in the stage at `position`."""
    return refuse(f"template: {bad} (character {bad.at + 1} of the template)", position)


def _operands(nodes: Sequence[Node]) -> Iterator[Operand]:
    for node in nodes:
        if isinstance(node, Output | Branch):
            yield from _of_pipe(node.pipe)
        if isinstance(node, Branch):
            yield from _operands(node.body)
            yield from _operands(node.otherwise)


def _of_pipe(pipe: Pipe) -> Iterator[Operand]:
    for command in pipe.commands:
        for operand in command.operands:
            yield operand
            if isinstance(operand, Inner):
                yield from _of_pipe(operand.pipe)


class _Blocks:
    """Texts and actions, with the blocks that end at `{{end}}`."""

    def __init__(self, text: str, whole: bool) -> None:
        self._pieces = pieces(text)
        self._at = 0
        self._whole = whole
        self.defined: dict[str, tuple[Node, ...]] = {}

    def nodes(self, depth: int, in_range: bool) -> tuple[tuple[Node, ...], Action | None]:
        """Nodes up to `{{end}}` or `{{else}}`, which is returned, too; None at the text's end."""
        found: list[Node] = []
        while self._at < len(self._pieces):
            piece = self._pieces[self._at]
            self._at += 1
            if isinstance(piece, str):
                if piece:
                    found.append(Text(piece))
                continue
            if depth > TEMPLATE_DEPTH:
                raise BadTemplate(f"blocks are nested more than {TEMPLATE_DEPTH} deep", piece.at)
            word = piece.tokens[0].text if piece.tokens[0].kind == "name" else ""
            if word in ("end", "else"):
                return tuple(found), piece
            if word == "define" and self._whole:
                self._define(word, piece, depth)
            else:
                found.append(self._node(word, piece, depth, in_range))
        return tuple(found), None

    def _node(self, word: str, action: Action, depth: int, in_range: bool) -> Node:
        if word in ("if", "with", "range"):
            return self._branch(word, action, 1, depth, in_range)
        if word in ("break", "continue"):
            if not in_range or action.tokens[1].kind != "end":
                raise BadTemplate(f"unexpected {word}", action.at)
            return Leave(word)
        if word in _NAMING:
            if not self._whole:
                raise BadTemplate(f"{word} is not supported", action.at)
            return self._invoke(word, action, depth)
        return Output(_Tokens(action, 0, self._whole).whole_pipe())

    def _invoke(self, word: str, action: Action, depth: int) -> Invoke:
        name = _name(word, action)
        pipe = None
        if action.tokens[2].kind != "end":
            pipe = _Tokens(action, 2, True).whole_pipe()
            if pipe.variables:
                raise BadTemplate(f"a variable cannot be set in {word}", pipe.at)
        if word == "block":
            self._define(word, action, depth)
        return Invoke(name, pipe)

    def _define(self, word: str, action: Action, depth: int) -> None:
        name = _name(word, action)
        if word == "define" and (depth or action.tokens[2].kind != "end"):
            raise BadTemplate("unexpected {{define}}", action.at)
        body, end = self.nodes(depth + 1, False)
        if end is None or [token.kind for token in end.tokens] != ["name", "end"]:
            raise BadTemplate(f"{word} without {{{{end}}}}", action.at)
        if end.tokens[0].text != "end":
            raise BadTemplate("expected {{end}}", end.at)
        if name in self.defined:
            raise BadTemplate(f"the template {name!r} is defined twice", action.at)
        self.defined[name] = body

    def _branch(self, word: str, action: Action, skip: int, depth: int, in_range: bool) -> Branch:
        pipe = _Tokens(action, skip, self._whole).whole_pipe(of_range=word == "range")
        body, end = self.nodes(depth + 1, in_range or word == "range")
        otherwise: tuple[Node, ...] = ()
        if end is not None and end.tokens[0].text == "else":
            following = end.tokens[1]
            if following.kind == "name" and following.text == word and word != "range":
                if depth > TEMPLATE_DEPTH * 2:
                    raise BadTemplate("too many else if", end.at)
                return Branch(word, pipe, body, (self._branch(word, end, 2, depth + 1, in_range),))
            if following.kind != "end":
                raise BadTemplate(f"unexpected {following.text!r} after else", following.at)
            otherwise, end = self.nodes(depth + 1, in_range)
        if end is None:
            raise BadTemplate(f"{word} without {{{{end}}}}", action.at)
        if end.tokens[0].text != "end" or end.tokens[1].kind != "end":
            raise BadTemplate("expected {{end}}", end.at)
        return Branch(word, pipe, body, otherwise)


def _name(word: str, action: Action) -> str:
    token = action.tokens[1]
    if token.kind != "constant" or not isinstance(token.value, str):
        raise BadTemplate(f"{word} needs a name in quotes", token.at)
    return token.value


class _Tokens:
    """The tokens of one action."""

    def __init__(self, action: Action, skip: int, whole: bool) -> None:
        self._tokens = action.tokens
        self._at = skip
        self._whole = whole

    @property
    def _now(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        token = self._now
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _is(self, symbol: str) -> bool:
        return self._now.kind == "symbol" and self._now.text == symbol

    def whole_pipe(self, of_range: bool = False) -> Pipe:
        pipe = self._pipe(0, of_range)
        if self._now.kind != "end":
            raise BadTemplate(f"unexpected {self._now.text!r}", self._now.at)
        return pipe

    def _pipe(self, depth: int, of_range: bool = False) -> Pipe:
        at = self._now.at
        variables, declares = self._declaration(of_range)
        commands = [self._command(depth)]
        while self._is("|"):
            self._next()
            command = self._command(depth)
            if not isinstance(command.operands[0], Function):
                raise BadTemplate("only a function can follow |", command.at)
            commands.append(command)
        return Pipe(variables, declares, tuple(commands), at)

    def _declaration(self, of_range: bool) -> tuple[tuple[str, ...], bool]:
        ahead = [token.text for token in self._tokens[self._at : self._at + 4]]
        first = self._now.kind == "variable"
        if first and len(ahead) > 1 and ahead[1] in (":=", "="):
            self._at += 2
            return (ahead[0],), ahead[1] == ":="
        two = of_range and len(ahead) > 3 and ahead[1] == "," and ahead[3] in (":=", "=")
        if first and two and self._tokens[self._at + 2].kind == "variable":
            self._at += 4
            return (ahead[0], ahead[2]), ahead[3] == ":="
        return (), True

    def _command(self, depth: int) -> Command:
        at = self._now.at
        operands: list[Operand] = []
        while self._now.kind != "end" and not self._is("|") and not self._is(")"):
            if operands and not self._now.spaced and not self._is("("):
                raise BadTemplate(f"unexpected {self._now.text!r}", self._now.at)
            operands.append(self._operand(depth))
        if not operands:
            raise BadTemplate("a value is missing", at)
        if len(operands) > 1 and not self._takes_arguments(operands[0]):
            raise BadTemplate("only a function takes arguments", at)
        if len(operands) == 1 and operands[0] == Constant(None):
            raise BadTemplate("nil is no command", at)
        return Command(tuple(operands), at)

    def _takes_arguments(self, operand: Operand) -> bool:
        if self._whole and isinstance(operand, Field | Variable | Inner):
            return bool(operand.names)
        return isinstance(operand, Function)

    def _operand(self, depth: int) -> Operand:
        token = self._next()
        match token.kind:
            case "constant":
                return Constant(token.value)
            case "field":
                return Field((token.value, *self._names()))
            case "variable":
                return Variable(token.text, self._names(), token.at)
            case "name" if token.text in _CONSTANTS:
                return Constant(_CONSTANTS[token.text])
            case "name":
                return Function(token.text, token.at)
        if token.text == ".":
            return Dot()
        if token.text == "(":
            if depth >= TEMPLATE_DEPTH:
                raise BadTemplate(f"more than {TEMPLATE_DEPTH} parentheses", token.at)
            pipe = self._pipe(depth + 1)
            if not self._is(")"):
                raise BadTemplate("( without )", token.at)
            self._next()
            return Inner(pipe, self._names())
        raise BadTemplate(f"unexpected {token.text!r}", token.at)

    def _names(self) -> tuple[str, ...]:
        """The `.a.b` that touches what was read."""
        found: list[str] = []
        while self._now.kind == "field" and not self._now.spaced:
            found.append(self._next().value)
        return tuple(found)
