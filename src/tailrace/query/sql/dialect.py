"""ClickHouse's SQL as sqlglot reads it, without what would change a statement on the way.

Calls keep the name that was written, instead of becoming another function of the same meaning, and
`LIMIT n BY` may stand beside `LIMIT`.
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.dialects.clickhouse import ClickHouse
from sqlglot.generators.clickhouse import ClickHouseGenerator
from sqlglot.parsers.clickhouse import ClickHouseParser
from sqlglot.tokenizer_core import TokenType


def _limit(parser: Any) -> tuple[str, exp.Expr | None]:
    found: exp.Expr | None = parser._parse_limit()
    return ("limit_by" if found and found.expressions else "limit"), found


class _Parser(ClickHouseParser):
    FUNCTIONS: ClassVar[dict[Any, Any]] = {}
    FUNCTION_PARSERS: ClassVar[dict[Any, Any]] = {
        name: ClickHouseParser.FUNCTION_PARSERS[name] for name in ("CAST", "EXTRACT", "TRIM")
    }
    NO_PAREN_FUNCTIONS: ClassVar[dict[Any, Any]] = {}
    NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[Any, Any]] = {
        "CASE": ClickHouseParser.NO_PAREN_FUNCTION_PARSERS["CASE"],
    }
    QUERY_MODIFIER_PARSERS: ClassVar[dict[Any, Any]] = {
        **ClickHouseParser.QUERY_MODIFIER_PARSERS,
        TokenType.LIMIT: _limit,
    }


class _Generator(ClickHouseGenerator):
    def offset_limit_modifiers(
        self, expression: exp.Expr, fetch: bool, limit: exp.Fetch | exp.Limit | None
    ) -> list[str]:
        """`LIMIT n BY` comes first."""
        others = super().offset_limit_modifiers(expression, fetch, limit)
        return [self.sql(expression, "limit_by"), *others]


class TailraceSql(ClickHouse):
    """See above. sqlglot registers it by its name, which nothing uses."""

    Parser = _Parser
    Generator = _Generator
