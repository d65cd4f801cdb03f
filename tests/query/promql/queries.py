"""Random expressions of PromQL."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tailrace.query.logql.ast import Matcher
from tailrace.query.matrix.grouping import EQUAL_LABELS, Grouping, Matching
from tailrace.query.promql.ast import (
    Aggregation,
    Binary,
    Call,
    Expression,
    Negative,
    Number,
    Selector,
    Subquery,
    Text,
    Window,
)
from tailrace.query.promql.functions import OVER_TIME

SECOND = 10**9
METRICS = ("m", "n", "c")
LABELS = ("a", "b", "id")
OPERATORS = ("+", "-", "*", "/", "%", "^", "atan2", "==", "!=", ">", ">=", "<", "<=")
OF_A_VECTOR = (
    "abs", "ceil", "floor", "sgn", "sqrt", "exp", "ln", "deg", "absent", "hour", "day_of_week",
    "days_in_month", "month", "timestamp", "sort", "round",
)  # fmt: skip

numbers = st.sampled_from([0.0, 1.0, 2.0, -1.0, 0.5, 3.0, 100.0, -0.25]).map(Number)
seconds = st.sampled_from([1, 5, 10, 30, 45, 60, 120, 300]).map(lambda n: n * SECOND)
offsets = st.sampled_from([0, 0, 0, 10 * SECOND, -20 * SECOND, 60 * SECOND])
names = st.lists(st.sampled_from(LABELS), max_size=2, unique=True).map(tuple)
groupings = st.builds(Grouping, st.booleans(), names).filter(
    lambda one: one.without or one.labels or True
)


@st.composite
def selectors(draw: Any, times: Any = None) -> Selector:
    matchers = [Matcher("__name__", "=", draw(st.sampled_from(METRICS)))]
    if draw(st.booleans()):
        op, value = draw(st.sampled_from([("=", "x"), ("!=", "x"), ("=~", "x|y"), ("!~", "y.*")]))
        matchers.append(Matcher(draw(st.sampled_from(LABELS)), op, value))
    at = draw(times) if times is not None else None
    return Selector(tuple(matchers), draw(offsets), at)


@st.composite
def matchings(draw: Any, sets: bool) -> Matching:
    on, labels = draw(st.booleans()), draw(names)
    if not on and not labels:
        return EQUAL_LABELS
    group = "" if sets else draw(st.sampled_from(["", "", "left", "right"]))
    include = draw(names) if group else ()
    if on:
        include = tuple(one for one in include if one not in labels)
    return Matching(on, labels, group, include)


def windows(inner: Any, times: Any) -> Any:
    ranges = st.builds(Window, selectors(times), seconds)
    steps = st.sampled_from([0, 5 * SECOND, 10 * SECOND, 30 * SECOND])
    at = times if times is not None else st.none()
    return ranges | ranges | st.builds(Subquery, inner, seconds, steps, offsets, at)


def scalars(vector: Any) -> Any:
    simple = numbers | numbers | st.just(Call("time", ())) | st.just(Call("pi", ()))
    return simple | vector.map(lambda one: Call("scalar", (one,)))


def _over(vector: Any, times: Any) -> Any:
    window, scalar = windows(vector, times), numbers | numbers | scalars(vector)
    fractions = st.sampled_from([0.1, 0.5, 0.9]).map(Number)
    return st.one_of(
        st.builds(lambda f, w: Call(f, (w,)), st.sampled_from(OVER_TIME), window),
        st.builds(lambda f, w: Call(f, (w,)), st.sampled_from(["rate", "increase"]), window),
        st.builds(lambda q, w: Call("quantile_over_time", (q, w)), scalar, window),
        st.builds(lambda t, w: Call("predict_linear", (w, t)), scalar, window),
        st.builds(
            lambda a, b, w: Call("double_exponential_smoothing", (w, a, b)),
            fractions, fractions, window,
        ),
    )  # fmt: skip


def _aggregated(vector: Any) -> Any:
    plain = st.sampled_from(
        ["sum", "sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"]
    )
    return st.one_of(
        st.builds(Aggregation, plain, vector, groupings),
        st.builds(Aggregation, plain, vector, groupings),
        st.builds(Aggregation, st.just("quantile"), vector, groupings, scalars(vector)),
        st.builds(
            Aggregation, st.just("count_values"), vector, groupings,
            st.sampled_from(["v", "a"]).map(Text),
        ),
    )  # fmt: skip


def _joined(vector: Any) -> Any:
    operators, scalar = st.sampled_from(OPERATORS), scalars(vector)

    def compared(op: str, left: Any, right: Any, matching: Any, flag: bool) -> Binary:
        return Binary(op, left, right, matching, flag and op in OPERATORS[7:])

    sets = st.sampled_from(["and", "or", "unless"])
    none = st.just(EQUAL_LABELS)
    return st.one_of(
        st.builds(compared, operators, vector, vector, matchings(False), st.booleans()),
        st.builds(compared, operators, vector, scalar, none, st.booleans()),
        st.builds(compared, operators, scalar, vector, none, st.booleans()),
        st.builds(Binary, sets, vector, vector, matchings(True)),
    )


def _called(vector: Any) -> Any:
    scalar = scalars(vector)
    replace = st.sampled_from([
        ("b", "$1", "a", "(.*)"), ("new", "x$1", "a", "(x)|y"), ("a", "", "a", ".*"),
        ("__name__", "r", "", ""),
    ])  # fmt: skip
    return st.one_of(
        st.builds(lambda f, v: Call(f, (v,)), st.sampled_from(OF_A_VECTOR), vector),
        st.builds(lambda v, a, b: Call("clamp", (v, a, b)), vector, scalar, scalar),
        st.builds(lambda f, v, a: Call(f, (v, a)),
                  st.sampled_from(["clamp_min", "clamp_max", "round"]), vector, scalar),
        st.builds(lambda v, t: Call("label_replace", (v, *map(Text, t))), vector, replace),
        st.builds(lambda s: Call("vector", (s,)), scalar),
        vector.filter(lambda one: not isinstance(one, Negative)).map(Negative),
    )  # fmt: skip


def vectors(times: Any = None) -> Any:
    """Expressions that give vectors. `times` of `@`: without it there are none."""
    return st.recursive(
        selectors(times),
        lambda inner: st.one_of(
            _over(inner, times), _over(inner, times), _aggregated(inner), _joined(inner),
            _called(inner),
        ),
        max_leaves=4,
    )  # fmt: skip


def expressions() -> Any:
    """Any expression, for those who do not evaluate it."""
    times = st.sampled_from([None, None, 5 * SECOND, "start", "end", 1_500_000_000])
    vector = vectors(times)
    joined: Any = st.builds(Binary, st.sampled_from(["+", "^", "*"]), scalars(vector), numbers)
    found: st.SearchStrategy[Expression] = vector | scalars(vector) | joined
    return found
