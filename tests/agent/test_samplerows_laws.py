"""The laws of the sampler's Rows. Both kinds are held to them, and foreign records; add one to
`KINDS`."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.agent.inputs import Keep
from tailrace.agent.sampling.keeping import Rows, rows_of
from tailrace.agent.sampling.scanner import Expression, Searches
from tailrace.core.frame import CANONICAL, Codec, Hints
from tailrace.core.units import Seconds
from tailrace.wire import consistent

from .test_sampling import FOREIGN, json_rows, line_rows


class Kind(NamedTuple):
    codec: Codec
    hints: Hints
    rows: st.SearchStrategy[bytes]


KINDS = {
    "lines": Kind(Codec.LINES, CANONICAL, line_rows),
    "records": Kind(Codec.RECORDS, CANONICAL, json_rows),
    "foreign records": Kind(Codec.RECORDS, FOREIGN, json_rows),
}
over_all = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
keeps = st.builds(
    Keep,
    severity=st.sampled_from([None, "warn", "error"]),
    slow=st.sampled_from([None, Seconds("500ms"), Seconds("1s")]),
    errors=st.booleans(),
)


def rows_for(kind: Kind, keep: Keep) -> Rows:
    return rows_of(kind.codec, kind.hints, keep)


def is_found(expressions: list[Expression], row: bytes) -> bool:
    return bool(Searches(expressions).scan(row + b"\n"))


@over_all
@settings(deadline=None)
@given(st.data(), keeps)
def test_every_row_that_is_kept_is_found(kind: Kind, data: st.DataObject, keep: Keep) -> None:
    reader, row = rows_for(kind, keep), data.draw(kind.rows)
    assert is_found(reader.worth(0), row) or not reader.keeps(row)


@over_all
@settings(deadline=None)
@given(st.data(), st.integers(0, 255).map(lambda high: high << consistent.BITS - 8))
def test_every_row_whose_trace_is_above_the_threshold_is_found(
    kind: Kind, data: st.DataObject, threshold: int
) -> None:
    reader, row = rows_for(kind, Keep()), data.draw(kind.rows.filter(lambda row: b"trace" in row))
    bits = reader.trace(row)
    assert is_found([reader.traced(0, threshold)], row) or bits is None or bits < threshold


@over_all
@given(st.binary(max_size=40))
def test_a_row_that_says_nothing_is_not_kept_and_of_no_trace(kind: Kind, row: bytes) -> None:
    reader = rows_for(kind, Keep(severity=None, errors=False))
    assert not reader.keeps(row.translate(None, b"\n"))
    assert reader.trace(row.translate(None, b"\n")) is None
