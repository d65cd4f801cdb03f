"""Single samples of series, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tailrace.core.limits import QUERY_VALUES
from tailrace.query.binder import Binder
from tailrace.query.matrix.matrix import Floats, Matrix
from tailrace.query.plan import Grid, Statement
from tailrace.query.promql.grids import IS_STALE, conditions, placed
from tailrace.query.promql.series import Found
from tailrace.query.promql.tokens import MS

_ROW = np.dtype([("place", "<u4"), ("time", "<i8"), ("value", "<f8")])
Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Points:
    """Samples by series and time: `places` are the numbers of their series, below `series`;
    `times` UTC milliseconds, each once in a series."""

    places: Numbers
    times: Numbers
    values: Floats
    series: int


def statement(
    groups: Sequence[Sequence[Found]], tenant: str, table: str, after_ns: int, upto_ns: int
) -> Statement:
    """Rows for `decoded`: the samples in `(after_ns, upto_ns]`, without stale markers; one more
    than QUERY_VALUES of them where there are too many."""
    bind = Binder()
    known, places = placed(groups, bind)
    where = [*conditions(groups, tenant, after_ns, upto_ns, bind, known), f"NOT {IS_STALE}"]
    sql = (
        f"SELECT toUInt32(transform(Fingerprint, {known}, {places}, toUInt64(0))) AS place, "
        "toUnixTimestamp64Milli(Timestamp) AS time, Value "
        f"FROM {table} WHERE {' AND '.join(where)} "
        f"ORDER BY place, time, Value LIMIT {QUERY_VALUES + 1}"
    )
    return Statement(sql, bind.values)


def decoded(found: bytes, series: int) -> Points:
    """From rows in the format RowBinary. Of several samples at one time the largest stays, as in
    the engine's grids."""
    rows = np.frombuffer(found, _ROW)
    places, times = rows["place"].astype(np.int64), rows["time"].astype(np.int64)
    last = np.ones(len(rows), np.bool_)
    if len(rows):
        last[:-1] = (places[1:] != places[:-1]) | (times[1:] != times[:-1])
    return Points(places[last], times[last], rows["value"][last].astype(np.float64), series)


def of_matrix(matrix: Matrix, on: Grid) -> Points:
    """The values of an expression at the steps of a grid, as if they were samples."""
    rows, steps = np.nonzero(matrix.present)
    times = on.start_ns // MS + steps.astype(np.int64) * (on.step_ns // MS)
    return Points(rows.astype(np.int64), times, matrix.values[rows, steps], len(matrix.labels))
