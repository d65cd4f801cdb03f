"""Samples on a grid, by the engine's own functions for it, each series or folded in groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tailrace.query.binder import Binder
from tailrace.query.matrix.matrix import Bools, Floats
from tailrace.query.plan import Grid, Statement
from tailrace.query.promql.series import Found
from tailrace.query.promql.seriestable import moment
from tailrace.query.promql.tokens import MS

# The bits of the NaN by which Prometheus says that a series has ended. In a grid: no sample.
STALE = 9_218_868_437_227_405_314
IS_STALE = f"reinterpretAsUInt64(Value) = {STALE}"
_ABSENT = f"reinterpretAsFloat64(toUInt64({STALE}))"
# A function of a window as the engine calls it; "" is the last sample, "timestamp" its time.
GRIDS: Mapping[str, str] = {
    "": "Last", "timestamp": "Last", "rate": "Rate", "increase": "Increase", "delta": "Delta",
    "irate": "InstantRate", "idelta": "InstantDelta",
}  # fmt: skip
# Aggregations that the engine folds grids with.
FOLDS: Mapping[str, str] = {
    "sum": "sum", "avg": "avg", "min": "min", "max": "max", "count": "countOrNull",
    "group": "countOrNull",
}  # fmt: skip
SETTINGS: Mapping[str, object] = {"enable_time_series_aggregate_functions": 1}


def statement(
    function: str,
    range_ns: int,
    fold: str,
    groups: Sequence[Sequence[Found]],
    tenant: str,
    table: str,
    on: Grid,
) -> Statement:
    """Rows `(number of the group, values)`, for `decoded`. `function` is one of GRIDS, `fold` one
    of FOLDS, or "" where each group is one series."""
    bind = Binder()
    known, places = placed(groups, bind)
    times = f"{moment(on.start_ns, bind)}, {moment(on.last_ns, bind)}"
    spans = f"{_seconds(on.step_ns, bind)}, {_seconds(range_ns, bind)}"
    where = conditions(groups, tenant, on.start_ns - range_ns, on.last_ns, bind, known)
    value, values = "Value", "grid"
    if function in ("", "timestamp"):
        stale = f"reinterpretAsUInt64(assumeNotNull(v)) = {STALE}"
        values = f"arrayMap(v -> if({stale}, NULL, v), grid)"
    else:
        where.append(f"NOT {IS_STALE}")
    if function == "timestamp":
        value = f"if({IS_STALE}, Value, toUnixTimestamp64Milli(Timestamp) / 1000)"
    inner = (
        f"SELECT transform(Fingerprint, {known}, {places}, toUInt64(0)) AS place, "
        f"timeSeries{GRIDS[function]}ToGrid({times}, {spans})(Timestamp, {value}) AS grid "
        f"FROM {table} WHERE {' AND '.join(where)} GROUP BY Fingerprint"
    )
    if fold:
        values = f"{FOLDS[fold]}ForEach({values})"
    sql = f"SELECT place, arrayMap(v -> ifNull(toFloat64(v), {_ABSENT}), {values}) FROM ({inner})"
    return Statement(sql + (" GROUP BY place" if fold else ""), bind.values, SETTINGS)


def placed(groups: Sequence[Sequence[Found]], bind: Binder) -> tuple[str, str]:
    """The fingerprints of all groups, and the number of each one's group."""
    known = bind.numbers([one.fingerprint for group in groups for one in group])
    places = bind.numbers([place for place, group in enumerate(groups) for _ in group])
    return known, places


def conditions(
    groups: Sequence[Sequence[Found]], tenant: str, after_ns: int, upto_ns: int, bind: Binder,
    known: str,
) -> list[str]:  # fmt: skip
    """For the samples of some series in `(after_ns, upto_ns]`."""
    names = sorted({one.name for group in groups for one in group})
    return [
        f"Tenant = {bind.text(tenant)}",
        f"MetricName IN {bind.texts(names)}",
        f"Fingerprint IN {known}",
        f"Timestamp > {moment(after_ns, bind)}",
        f"Timestamp <= {moment(upto_ns, bind)}",
    ]


def decoded(found: bytes, groups: int, steps: int) -> tuple[Floats, Bools]:
    """Values and where there are any, `(groups, steps)`, from rows in the format RowBinary."""
    head = _varint(steps)
    row = np.dtype([("place", "<u8"), ("size", "u1", (len(head),)), ("values", "<f8", (steps,))])
    rows = np.frombuffer(found, row)
    values = np.zeros((groups, steps))
    present = np.zeros((groups, steps), np.bool_)
    if len(rows):
        assert bytes(rows["size"][0]) == head, "a grid has the steps that it was asked for"
        places = rows["place"].astype(np.intp)
        values[places] = rows["values"]
        present[places] = rows["values"].view(np.uint64) != np.uint64(STALE)
    return values, present


def _varint(number: int) -> bytes:
    """As the engine writes the length of an array."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _seconds(nanoseconds: int, bind: Binder) -> str:
    return bind.decimal(f"{nanoseconds // 10**9}.{nanoseconds // MS % 1000:03d}")
