"""Statements that log, in the tree of a module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

_LEVELS = frozenset(
    [
        "debug",
        "info",
        "warning",
        "warn",
        "error",
        "critical",
        "fatal",
        "exception",
        "log",
        "msg",
        "trace",
        "success",
    ]
)
_MAKERS = frozenset({"getLogger", "get_logger", "getChild", "LoggerAdapter", "wrap_logger"})
_KEPT = frozenset({"bind", "new", "opt", "unbind", "patch", "contextualize", "with_fields"})
_LOGGER_WORDS = ("log", "logger", "logging", "_log", "_logger", "LOG", "LOGGER", "structlog")
# Arguments that are no values to be logged.
_SETTINGS = frozenset({"exc_info", "stack_info", "stacklevel", "file", "end", "sep", "flush"})


class Statement(NamedTuple):
    """A call that logs, and the expressions whose values it would write."""

    call: ast.Call
    logged: list[ast.expr]


def statements(tree: ast.AST) -> Iterator[Statement]:
    """All of a module, in the order of its lines."""
    loggers = _loggers(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (skipped := _skipped(node, loggers)) is not None:
            yield Statement(node, _logged(node, skipped))


def _loggers(tree: ast.AST) -> frozenset[str]:
    """Names to which the module assigns a logger, or by which it imports one."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "loguru":
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign) and _makes_logger(node.value):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found.add(target.id)
                elif isinstance(target, ast.Attribute):
                    found.add(target.attr)
    return frozenset(found)


def _makes_logger(value: ast.expr) -> bool:
    if not isinstance(value, ast.Call):
        return False
    name = value.func.attr if isinstance(value.func, ast.Attribute) else None
    name = value.func.id if isinstance(value.func, ast.Name) else name
    return name in _MAKERS or (name in _KEPT and isinstance(value.func, ast.Attribute))


def _skipped(node: ast.Call, loggers: frozenset[str]) -> int | None:
    """How many arguments of a call that logs come before what is logged; None when it does not."""
    func = node.func
    if isinstance(func, ast.Name):
        return 0 if func.id in ("print", "pprint") else None
    if not isinstance(func, ast.Attribute):
        return None
    if func.attr == "write" and _is_stream(func.value):
        return 0
    if func.attr in _LEVELS and _is_logger(func.value, loggers):
        return 1 if func.attr == "log" else 0
    if func.attr in ("bind", "contextualize") and _is_logger(func.value, loggers):
        return 0
    return None


def _is_stream(value: ast.expr) -> bool:
    return isinstance(value, ast.Attribute) and value.attr in ("stdout", "stderr")


def _is_logger(value: ast.expr, loggers: frozenset[str]) -> bool:
    if isinstance(value, ast.Call):
        func = value.func
        if isinstance(func, ast.Attribute):
            return func.attr in _MAKERS or (func.attr in _KEPT and _is_logger(func.value, loggers))
        return isinstance(func, ast.Name) and func.id in _MAKERS
    name = value.attr if isinstance(value, ast.Attribute) else ""
    name = value.id if isinstance(value, ast.Name) else name
    return name in loggers or name.lower() in _LOGGER_WORDS or name.lower().endswith("logger")


def _logged(node: ast.Call, skipped: int) -> list[ast.expr]:
    found = list(node.args[skipped:])
    found += [_named(one) for one in node.keywords if one.arg not in _SETTINGS]
    return found


def _named(keyword: ast.keyword) -> ast.expr:
    """A value under a name is a member of an object: the name says what it is."""
    if keyword.arg is None or keyword.arg == "extra":
        return keyword.value
    key = ast.Constant(keyword.arg)
    named = ast.Dict(keys=[key], values=[keyword.value])
    return ast.copy_location(named, keyword.value)
