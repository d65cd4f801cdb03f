"""The review of one file: its statements, held against the rules."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tailrace.core import limits
from tailrace.guard.checks import card
from tailrace.guard.review.statements import Statement, statements
from tailrace.guard.review.values import leaks

_ALLOW = re.compile(r"#\s*tailrace:\s*allow\[([A-Z0-9, ]*)\]\s*(.*)")
_DIGITS = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")
_SECRET = re.compile(
    r"AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|xox[abprs]-[A-Za-z0-9-]{10}|"
    r"sk_live_[A-Za-z0-9]{16}|-----BEGIN [A-Z ]*PRIVATE KEY|://[^\s/:@]+:[^\s/@{}%]{3,}@"
)
_Function = ast.FunctionDef | ast.AsyncFunctionDef


class Remark(NamedTuple):
    """What breaks `rule` at a line and column, both from 1. `allowed`: the reason that a comment
    gives, "" without one. The value itself is never part of it."""

    rule: str
    path: str
    line: int
    column: int
    message: str
    allowed: str = ""


class _Allowance(NamedTuple):
    line: int
    rules: frozenset[str]
    reason: str


def review(path: Path, shown: str) -> list[Remark]:
    """Of one file, called `shown`; what cannot be read is a remark (TR009)."""
    try:
        if path.stat().st_size > limits.REVIEW_BYTES:
            raise ValueError(f"it has more than {limits.REVIEW_BYTES} bytes")
        with tokenize.open(path) as source:
            text = source.read()
        return list(review_text(text, shown))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        why = getattr(error, "strerror", None) or getattr(error, "msg", None) or str(error)
        return [Remark("TR009", shown, line, 1, f"cannot be read: {why}")]


def review_text(text: str, shown: str) -> Iterator[Remark]:
    """The same of a module's text. Raises SyntaxError, ValueError, RecursionError."""
    tree = ast.parse(text)
    allowances = _allowances(text)
    used: set[int] = set()
    logging = list(statements(tree))
    remarks = _remarks(tree, logging, shown) if logging else iter(())
    found = sorted(remarks, key=lambda remark: (remark.line, remark.column))
    spans = {(one.call.lineno, one.call.end_lineno or one.call.lineno) for one in logging}
    for remark in found:
        allowance = _allowance(remark, allowances, spans)
        if allowance and allowance.reason:
            used.add(allowance.line)
            yield remark._replace(allowed=allowance.reason)
        else:
            if allowance:
                used.add(allowance.line)
                yield Remark("TR000", shown, allowance.line, 1, "an allowance must say why")
            yield remark
    for allowance in allowances:
        if allowance.line not in used:
            yield Remark("TR008", shown, allowance.line, 1, "nothing here needs this allowance")


def _remarks(tree: ast.Module, logging: list[Statement], shown: str) -> Iterator[Remark]:
    owners = _owners(tree)
    seen: set[tuple[str, int, int]] = set()
    for statement in logging:
        known = _known(owners.get(statement.call), statement.call)
        for rule, node, message in _broken(statement, known):
            key = (rule, node.lineno, node.col_offset)
            if key not in seen:
                seen.add(key)
                yield Remark(rule, shown, node.lineno, node.col_offset + 1, message)


def _broken(
    statement: Statement, known: Mapping[str, ast.expr]
) -> Iterator[tuple[str, ast.expr, str]]:
    for expression in statement.logged:
        for leak in leaks(expression, known):
            yield leak.rule, leak.node, f"would log {leak.what}"
        for node in ast.walk(expression):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and (_SECRET.search(text) or _is_card(text)):
                yield "TR007", expression, "a secret or a card number is in the text"


def _is_card(text: str) -> bool:
    return any(card(re.sub(r"[ -]", "", found[0]).encode()) for found in _DIGITS.finditer(text))


def _owners(tree: ast.Module) -> dict[ast.AST, ast.AST]:
    """The function, or module, that each call is in."""
    found: dict[ast.AST, ast.AST] = {}

    def visit(node: ast.AST, owner: ast.AST) -> None:
        stack = [(node, owner)]
        while stack:
            current, holder = stack.pop()
            inner = current if isinstance(current, _Function | ast.Module) else holder
            if isinstance(current, ast.Call):
                found[current] = holder
            stack += [(child, inner) for child in ast.iter_child_nodes(current)]

    visit(tree, tree)
    return found


def _known(owner: ast.AST | None, call: ast.Call) -> dict[str, ast.expr]:
    """What names were assigned in the same function before the call, the last time each."""
    found: dict[str, ast.expr] = {}
    if owner is None:
        return found
    assigned = [
        node
        for node in ast.walk(owner)
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.lineno < call.lineno
    ]
    for node in sorted(assigned, key=lambda one: one.lineno):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            if isinstance(target, ast.Name) and node.value is not None:
                found[target.id] = node.value
    return found


def _allowances(text: str) -> list[_Allowance]:
    found: list[_Allowance] = []
    if "tailrace:" not in text:
        return found
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and (match := _ALLOW.search(token.string)):
            rules = frozenset(word.strip() for word in match[1].split(",") if word.strip())
            found.append(_Allowance(token.start[0], rules, match[2].strip()))
    return found


def _allowance(
    remark: Remark, allowances: list[_Allowance], spans: set[tuple[int, int]]
) -> _Allowance | None:
    """On a line of the statement, or the one before it."""
    around = [span for span in spans if span[0] <= remark.line <= span[1]]
    first = min((start for start, _ in around), default=remark.line)
    last = max((end for _, end in around), default=remark.line)
    for allowance in allowances:
        if first - 1 <= allowance.line <= last and remark.rule in allowance.rules:
            return allowance
    return None
