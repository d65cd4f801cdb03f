"""Which parts of a statement are allowed: every kind of node, and what each may carry.

What is not listed is refused, so that syntax which the parser learns later stays out.
"""

from __future__ import annotations

from sqlglot import exp

_BOTH = ("this", "expression")
_QUERY = ("with_", "order", "limit", "offset", "limit_by")
_SET = (*_BOTH, "distinct", "by_name", *_QUERY)

_PARTS: dict[type[exp.Expr], tuple[str, ...]] = {
    # Queries
    exp.Select: (
        *("expressions", "from_", "joins", "where", "group", "having", "qualify", "windows"),
        *("distinct", *_QUERY),
    ),
    exp.Union: _SET,
    exp.Except: _SET,
    exp.Intersect: _SET,
    exp.Subquery: ("this", "alias", *_QUERY),
    exp.With: ("expressions",),
    exp.CTE: ("this", "alias", "scalar"),
    exp.From: ("this",),
    exp.Table: ("this", "alias"),
    exp.TableAlias: ("this",),
    exp.Join: (*("this", "on", "using", "kind", "side", "method", "global_", "expressions"),),
    exp.Where: ("this",),
    exp.Group: ("expressions", "rollup", "cube", "grouping_sets", "all"),
    exp.Rollup: ("expressions",),
    exp.Cube: ("expressions",),
    exp.GroupingSets: ("expressions",),
    exp.Having: ("this",),
    exp.Qualify: ("this",),
    exp.Order: ("expressions",),
    exp.Ordered: ("this", "desc", "nulls_first", "with_fill"),
    exp.WithFill: ("from_", "to", "step", "interpolate"),
    exp.Limit: ("expression", "expressions", "limit_options"),
    exp.LimitOptions: ("with_ties", "rows"),
    exp.Offset: ("expression",),
    exp.Distinct: ("expressions", "on"),
    # Names and values
    exp.Alias: ("this", "alias"),
    exp.Column: ("this", "table", "db", "catalog"),
    exp.Identifier: ("this", "quoted"),
    exp.Star: ("except_", "replace"),
    exp.Literal: ("this", "is_string"),
    exp.Boolean: ("this",),
    exp.Null: (),
    exp.Var: ("this",),
    exp.Interval: ("this", "unit"),
    # Expressions
    exp.Paren: ("this",),
    exp.Tuple: ("expressions",),
    exp.Array: ("expressions", "bracket_notation"),
    exp.VarMap: ("keys", "values"),
    exp.Bracket: ("this", "expressions", "offset"),
    exp.Dot: _BOTH,
    exp.Lambda: ("this", "expressions"),
    exp.Case: ("this", "ifs", "default"),
    exp.If: ("this", "true", "false"),
    exp.Cast: ("this", "to"),
    exp.Extract: _BOTH,
    exp.Trim: (*_BOTH, "position"),
    exp.Exists: ("this",),
    exp.In: ("this", "expressions", "query", "is_global"),
    exp.Between: ("this", "low", "high"),
    exp.Not: ("this",),
    exp.Neg: ("this",),
    exp.Is: _BOTH,
    exp.DPipe: (*_BOTH, "safe"),
    exp.Escape: _BOTH,
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul, exp.Mod, exp.IntDiv), _BOTH),
    exp.Div: (*_BOTH, "typed", "safe"),
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ), _BOTH),
    **dict.fromkeys((exp.And, exp.Or), _BOTH),
    **dict.fromkeys((exp.Like, exp.ILike), (*_BOTH, "negate")),
    # Calls; the names are in functions.py
    exp.Anonymous: ("this", "expressions"),
    exp.AnonymousAggFunc: ("this", "expressions"),
    exp.CombinedAggFunc: ("this", "expressions"),
    exp.ParameterizedAgg: ("this", "expressions", "params"),
    exp.CombinedParameterizedAgg: ("this", "expressions", "params"),
    exp.Filter: _BOTH,
    exp.IgnoreNulls: ("this",),
    exp.RespectNulls: ("this",),
    exp.Window: ("this", "partition_by", "order", "spec", "over", "alias"),
    exp.WindowSpec: ("kind", "start", "start_side", "end", "end_side"),
}
ALLOWED = {kind: frozenset(parts) for kind, parts in _PARTS.items()}
CALLS = (
    exp.Anonymous,
    exp.AnonymousAggFunc,
    exp.CombinedAggFunc,
    exp.ParameterizedAgg,
    exp.CombinedParameterizedAgg,
)
# Words of the types that a value may be cast to, in small letters.
TYPES = frozenset(
    (
        *(f"{kind}int{bits}" for kind in ("", "u") for bits in (8, 16, 32, 64, 128, 256)),
        *("float32", "float64", "decimal", "decimal32", "decimal64", "decimal128", "decimal256"),
        *("string", "fixedstring", "bool", "uuid", "ipv4", "ipv6", "date", "date32", "datetime"),
        *("datetime32", "datetime64", "array", "map", "tuple", "nullable", "lowcardinality"),
    )
)
