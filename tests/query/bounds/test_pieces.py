"""Matrices cut by steps and put together again."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tailrace.query.labels import Labels
from tailrace.query.matrix.matrix import Matrix, matrix_of, nothing
from tailrace.query.matrix.pieces import columns, memory_bytes, side_by_side

Rows = dict[Labels, list[float | None]]
A, B = (("n", "a"),), (("n", "b"),)


def plain(matrix: Matrix) -> Rows:
    return {
        labels: [
            float(v) if there else None
            for v, there in zip(matrix.values[i], matrix.present[i], strict=True)
        ]
        for i, labels in enumerate(matrix.labels)
    }


def with_variance(matrix: Matrix, variance: float | None) -> Matrix:
    known = None if variance is None else np.full_like(matrix.values, variance)
    return Matrix(matrix.labels, matrix.values, matrix.present, known)


def test_a_series_is_absent_where_a_piece_does_not_have_it() -> None:
    left = matrix_of({A: [1.0, None]}, 2)
    right = matrix_of({B: [2.0], A: [3.0]}, 1)
    assert plain(side_by_side([left, nothing(1), right])) == {
        A: [1.0, None, None, 3.0],
        B: [None, None, None, 2.0],
    }


def test_the_variance_is_known_where_every_piece_with_series_knows_it() -> None:
    one = matrix_of({A: [1.0]}, 1)
    both = side_by_side([with_variance(one, 2.0), with_variance(one, 3.0), nothing(1)])
    assert both.variance is not None
    assert both.variance.tolist() == [[2.0, 3.0, 0.0]]
    assert side_by_side([with_variance(one, 2.0), with_variance(one, None)]).variance is None


def test_more_series_and_labels_are_more_bytes() -> None:
    small = matrix_of({A: [1.0]}, 1)
    assert memory_bytes(small) > 17
    assert memory_bytes(matrix_of({A: [1.0], B: [1.0]}, 1)) == 2 * memory_bytes(small)


@given(
    st.dictionaries(
        st.sampled_from("abcd").map(lambda name: (("n", name),)),
        st.lists(st.one_of(st.none(), st.floats(0, 9)), min_size=8, max_size=8),
    ),
    st.lists(st.integers(0, 8), max_size=4).map(sorted),
)
def test_what_was_cut_is_whole_again(rows: Rows, cuts: list[int]) -> None:
    whole = matrix_of(rows, 8)
    ends = [0, *cuts, 8]
    pieces = [columns(whole, *ends[n : n + 2]) for n in range(len(ends) - 1)]
    pieces = [piece.without_empty() for piece in pieces]
    kept = {labels: values for labels, values in rows.items() if values != [None] * 8}
    assert plain(side_by_side(pieces)) == kept
