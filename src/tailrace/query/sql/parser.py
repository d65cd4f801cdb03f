"""A statement's text as a tree. Whatever is no single query is a QueryError with its place."""

from __future__ import annotations

import logging

from sqlglot import exp
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokenizer_core import TokenType

from tailrace.core import limits
from tailrace.core.errors import QueryError
from tailrace.query.sql.dialect import TailraceSql

# It says on the log what it could not parse; the answer says it too.
logging.getLogger("sqlglot").setLevel(logging.CRITICAL)

_DIALECT = TailraceSql()
_OPEN = (TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE)
_CLOSE = (TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE)


def parse(text: str) -> exp.Query:
    """The tree of `text`, unchecked. Raises QueryError."""
    if len(text.encode("utf-8", "replace")) > limits.QUERY_TEXT_BYTES:
        raise QueryError(f"the query is longer than {limits.QUERY_TEXT_BYTES} bytes")
    try:
        _bound(text)
        trees = [tree for tree in _DIALECT.parse(text) if tree is not None]
    except ParseError as error:
        raise _syntax(text, error) from None
    except TokenError as error:
        message = f"cannot read the query: {_first_line(error)}"
        raise QueryError(f"{message}; is a quote or a comment not closed?") from None
    except RecursionError:
        raise QueryError("the query is nested too deeply") from None
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError) as error:
        # Texts that nobody writes: the parser trips over its own tree.
        raise QueryError(f"cannot read the query ({type(error).__name__})") from None
    if len(trees) != 1:
        raise QueryError("one statement is expected" if trees else "the query is empty")
    [tree] = trees
    if not isinstance(tree, exp.Select | exp.SetOperation | exp.Subquery):
        raise QueryError("only SELECT, WITH and UNION can be asked")
    return tree


def print_sql(tree: exp.Expr) -> str:
    """The statement of a tree, without comments."""
    return tree.sql(dialect=_DIALECT, comments=False)


def place(node: exp.Expr) -> tuple[int, int] | None:
    """Line and column of the first word within `node`, or around it, both from 1."""
    seen: exp.Expr | None = node
    while seen is not None:
        for one in seen.walk():
            # The place of a word is that of its last character.
            if "line" in one.meta and "start" in one.meta:
                width = int(one.meta["end"]) - int(one.meta["start"])
                return int(one.meta["line"]), max(int(one.meta["col"]) - width, 1)
        seen = seen.parent
    return None


def wrong(message: str, node: exp.Expr) -> QueryError:
    """A refusal that says where."""
    found = place(node)
    return QueryError(f"{message} at {found[0]}:{found[1]}" if found else message)


def _bound(text: str) -> None:
    """Before the parser, whose time and depth follow the number of words and of parentheses."""
    depth = 0
    tokens = _DIALECT.tokenize(text)
    if len(tokens) > limits.SQL_TOKENS:
        raise QueryError(f"the query has more than {limits.SQL_TOKENS} words (SQL_TOKENS)")
    for token in tokens:
        depth += (token.token_type in _OPEN) - (token.token_type in _CLOSE)
        if depth > limits.SQL_DEPTH:
            raise QueryError(
                f"the query is nested deeper than {limits.SQL_DEPTH} (SQL_DEPTH) "
                f"at {token.line}:{token.col}"
            )


def _syntax(text: str, error: ParseError) -> QueryError:
    found = error.errors[0] if error.errors else {}
    said = str(found.get("description") or "it is no SQL").rstrip(".")
    if "<class" in said:
        said = "a word is missing"
    said = said.partition(" but got <")[0]
    near = str(found.get("highlight") or "")[:40]
    line, column = found.get("line"), found.get("col")
    where = f" at {line}:{max(column - len(near) + 1, 1)}" if line and column else ""
    return QueryError(f"{said[:200]}{f' near {near!r}' if near else ''}{where}")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:80]
