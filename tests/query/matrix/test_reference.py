"""The arrays of query/matrix say what the reference says step by step, over random series."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.core.errors import QueryError
from tailrace.query.matrix.aggregate import aggregate
from tailrace.query.matrix.binary import combine
from tailrace.query.matrix.grouping import Grouping, Matching
from tailrace.query.matrix.matrix import Matrix, Scalar, matrix_of
from tailrace.query.matrix.order import ordered
from tailrace.query.matrix.pieces import columns, side_by_side
from tailrace.query.matrix.relabel import label_join, label_replace

from . import reference
from .reference import Labels, Refused, Vector

EXAMPLES = settings(max_examples=examples(40), deadline=None)
NAMES = ("a", "b", "c", "__name__")
NUMBERS = (0.0, 1.0, 2.0, 3.0, -1.0, 0.5, 1e15, 1e-9, math.inf, -math.inf, math.nan)
Vectors = list[Vector]

numbers = st.sampled_from(NUMBERS)
names = st.lists(st.sampled_from(NAMES), max_size=3, unique=True).map(tuple)
groupings = st.builds(Grouping, st.booleans(), names)
label_sets = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(["1", "2"]) for name in NAMES}
).map(lambda found: tuple(sorted(found.items())))


def series(steps: int) -> st.SearchStrategy[dict[Labels, list[float | None]]]:
    """Up to six series, each with samples at some of the steps."""
    values = st.lists(st.none() | numbers, min_size=steps, max_size=steps)
    return st.dictionaries(label_sets, values, max_size=6)


@st.composite
def matchings(draw: Callable[..., object], groups: tuple[str, ...] = ("", "left", "right")):
    group = draw(st.sampled_from(groups))
    include = draw(names) if group else ()
    return Matching(draw(st.booleans()), draw(names), group, include)


def vectors(found: dict[Labels, list[float | None]], steps: int) -> Vectors:
    return [
        {labels: row[step] for labels, row in found.items() if row[step] is not None}
        for step in range(steps)
    ]


def shown(value: float) -> object:
    """Equal for what is the same number, NaN and rounding put aside."""
    if math.isnan(value):
        return "NaN"
    return value if math.isinf(value) else float(f"{value:.9g}")


def said(matrix: Matrix) -> list[dict[Labels, object]]:
    """The vector of each step."""
    assert len(set(matrix.labels)) == len(matrix.labels)
    assert matrix.values.shape == matrix.present.shape == (len(matrix.labels), matrix.steps)
    return [
        {
            labels: shown(float(matrix.values[row, step]))
            for row, labels in enumerate(matrix.labels)
            if matrix.present[row, step]
        }
        for step in range(matrix.steps)
    ]


def agree(arrays: Callable[[], Matrix], by_step: Callable[[int], Vector], steps: int) -> None:
    """Both give the same, or both refuse."""
    try:
        expected = [{k: shown(v) for k, v in by_step(step).items()} for step in range(steps)]
    except Refused as refused:
        try:
            found = arrays()
        except QueryError:
            return
        raise AssertionError(f"not refused: {refused}, but {said(found)}") from refused
    assert said(arrays()) == expected


@EXAMPLES
@given(
    left=series(2), right=series(2), matching=matchings(), returns_bool=st.booleans(),
    op=st.sampled_from(["+", "-", "*", "/", "%", "^", "atan2", "==", "!=", ">", ">=", "<", "<="]),
)  # fmt: skip
def test_an_operator_joins_two_vectors(left, right, matching, returns_bool, op) -> None:
    returns_bool = returns_bool and op in reference.COMPARISONS
    ours, theirs = vectors(left, 2), vectors(right, 2)
    agree(
        lambda: combine(op, matrix_of(left, 2), matrix_of(right, 2), matching, returns_bool),
        lambda step: reference.joined(op, ours[step], theirs[step], matching, returns_bool),
        2,
    )


@EXAMPLES
@given(
    left=series(2), right=series(2), matching=matchings(("",)),
    op=st.sampled_from(["and", "or", "unless"]),
)  # fmt: skip
def test_a_set_operator_joins_two_vectors(left, right, matching, op) -> None:
    ours, theirs = vectors(left, 2), vectors(right, 2)
    agree(
        lambda: combine(op, matrix_of(left, 2), matrix_of(right, 2), matching),
        lambda step: reference.sets(op, ours[step], theirs[step], matching),
        2,
    )


@EXAMPLES
@given(
    found=series(2), number=st.lists(numbers, min_size=2, max_size=2), first=st.booleans(),
    op=st.sampled_from([*reference.ARITHMETIC, *reference.COMPARISONS]), returns_bool=st.booleans(),
)  # fmt: skip
def test_an_operator_joins_a_vector_and_a_number(found, number, first, op, returns_bool) -> None:
    returns_bool = returns_bool and op in reference.COMPARISONS
    by_step = vectors(found, 2)
    sides = (matrix_of(found, 2), Scalar(np.array(number)))
    agree(
        lambda: combine(op, *(sides[::-1] if first else sides), returns_bool=returns_bool),
        lambda step: reference.with_number(op, by_step[step], number[step], returns_bool, first),
        2,
    )


@given(left=numbers, right=numbers, op=st.sampled_from([*reference.ARITHMETIC]))
def test_an_operator_joins_two_numbers(left, right, op) -> None:
    found = combine(op, Scalar(np.array([left])), Scalar(np.array([right])))
    assert isinstance(found, Scalar)
    assert shown(found.values[0]) == shown(reference.ARITHMETIC[op](left, right))


@EXAMPLES
@given(
    found=series(2), grouping=groupings,
    function=st.sampled_from(
        ["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "quantile",
         "count_values"]
    ),
    q=st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0, -0.1, 1.1, math.nan]),
)  # fmt: skip
def test_an_aggregation_folds_groups(found, grouping, function, q) -> None:
    by_step = vectors(found, 2)
    parameter = "value" if function == "count_values" else q
    agree(
        lambda: aggregate(function, grouping, matrix_of(found, 2), parameter),
        lambda step: reference.aggregated(function, grouping, by_step[step], parameter),
        2,
    )


def test_the_average_of_the_largest_numbers_is_a_number() -> None:
    found = {(("a", "1"),): [1e308], (("a", "2"),): [1.5e308]}
    average = aggregate("avg", Grouping(False, ()), matrix_of(found, 1))
    assert said(average) == [{(): shown(1.25e308)}]


@EXAMPLES
@given(
    found=series(2), grouping=groupings,
    function=st.sampled_from(["topk", "bottomk", "approx_topk", "limitk"]),
    count=st.sampled_from([-1.0, 0.0, 0.9, 1.0, 2.0, 2.5, 10.0, math.inf]),
)  # fmt: skip
def test_the_largest_of_each_group_stay(found, grouping, function, count) -> None:
    kept = aggregate(function, grouping, matrix_of(found, 2), count)
    row = {labels: n for n, labels in enumerate(kept.labels)}
    for step, vector in enumerate(vectors(found, 2)):
        stayed = {k: v for k, v in vector.items() if k in row and kept.present[row[k], step]}
        assert {k: shown(v) for k, v in stayed.items()} == said(kept)[step]
        whole = 100 if math.isinf(count) else count
        reference.check_ranked(function, grouping, vector, whole, stayed)


@given(found=series(1), descending=st.booleans())
def test_sorting_puts_nan_last(found, descending) -> None:
    (vector,) = vectors(found, 1)
    matrix = ordered(matrix_of(found, 1), descending).without_empty()
    assert said(matrix) == [{k: shown(v) for k, v in vector.items()}]
    values = [shown(v) for v in matrix.values[:, 0]]
    expected = reference.in_order(vector.values(), descending)
    assert values == [shown(v) for v in expected]


# Patterns and replacements that RE2 and Python's re read alike.
patterns = st.sampled_from(["(.*)", "1", "(1)|2", "", "(?P<x>.+)", "[12]"])


@EXAMPLES
@given(
    found=series(2), destination=st.sampled_from([*NAMES, "d"]),
    source=st.sampled_from([*NAMES, "nobody"]), pattern=patterns,
    replacement=st.sampled_from(["", "x", "whole"]),
)  # fmt: skip
def test_label_replace_sets_a_label(found, destination, source, pattern, replacement) -> None:
    takes_group = replacement == "whole" and "(" in pattern
    theirs = r"\g<1>-" if takes_group else replacement
    ours = "${1}-" if takes_group else replacement
    by_step = vectors(found, 2)
    agree(
        lambda: label_replace(matrix_of(found, 2), destination, ours, source, pattern),
        lambda step: reference.unique(
            (reference.replaced(one, destination, theirs, source, pattern), value)
            for one, value in by_step[step].items()
        ),
        2,
    )


@given(found=series(1), destination=st.sampled_from([*NAMES, "d"]), sources=names)
def test_label_join_joins_labels(found, destination, sources) -> None:
    def joined(one: Labels) -> Labels:
        values = [dict(one).get(source, "") for source in sources]
        return reference.with_label(one, destination, "-".join(values))

    (vector,) = vectors(found, 1)
    agree(
        lambda: label_join(matrix_of(found, 1), destination, "-", sources),
        lambda _: reference.unique((joined(one), value) for one, value in vector.items()),
        1,
    )


@given(found=series(5), cuts=st.lists(st.integers(0, 5), max_size=3).map(sorted))
def test_what_is_cut_by_steps_is_whole_again(found, cuts) -> None:
    matrix = matrix_of(found, 5)
    edges: Sequence[int] = [0, *cuts, 5]
    pieces = [
        columns(matrix, start, stop).without_empty() for start, stop in itertools.pairwise(edges)
    ]
    whole = side_by_side(pieces)
    assert said(whole) == said(matrix)
    assert whole.variance is not None
    assert not whole.variance.any()
