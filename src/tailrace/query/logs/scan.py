"""Rows through the pipeline, block by block: for what SQL cannot say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from tailrace.core.errors import QueryError
from tailrace.query.labels import Labels
from tailrace.query.logql.ast import LogQuery, Unwrap
from tailrace.query.logs.columns import ROW_COLUMNS, Decoder
from tailrace.query.logs.folded import Series
from tailrace.query.logs.pushdown import Pushed
from tailrace.query.logs.reading import Reading
from tailrace.query.logs.samples import Samples
from tailrace.query.pipeline.pipeline import Pipeline, Row
from tailrace.query.pipeline.unwrap import Unwrapper
from tailrace.query.plan import Statement

# Of a row that passed: its labels and number, or None where it does not count.
Measure = Callable[[int, str, Mapping[str, str], Mapping[str, str]], tuple[Row, float] | None]


def measure_of(query: LogQuery, unwrap: Unwrap | None, wanted: frozenset[str] | None) -> Measure:
    """What a row counts for a range aggregation; `wanted` are the labels that are read of it, all
    when None. Raises QueryError."""
    if unwrap is not None:
        return Unwrapper(query.stages, unwrap, wanted).process
    pipeline = Pipeline(query.stages, wanted)

    def passed(time_ns: int, line: str, stream: Mapping[str, str], own: Mapping[str, str]) -> Any:
        row = pipeline.process(time_ns, line, stream, own)
        return None if row is None else (row, 1.0)

    return passed


def statement(rows: Pushed, conditions: Sequence[str], reading: Reading) -> Statement:
    """Rows of ROW_COLUMNS for which all conditions hold, in no order."""
    where = [f"Tenant = {rows.bind.text(reading.tenant)}", *conditions]
    sql = f"SELECT {', '.join(ROW_COLUMNS)} FROM {reading.table} WHERE {' AND '.join(where)}"
    return Statement(sql, rows.bind.values)


async def samples(
    found: Statement, measure: Measure, by: Callable[[Row], Labels], series: Series,
    reading: Reading,
) -> AsyncIterator[Samples]:  # fmt: skip
    """The samples of each block. `by` gives the labels of the series of a row.

    Raises QueryError for a row that has an error which no filter took out.
    """
    decoder = Decoder()

    def counted(columns: Sequence[Sequence[Any]]) -> Samples:
        rows = []
        for row in zip(*columns, strict=True):
            stream, own = decoder.labels(row)
            passed = measure(row[0], row[1], stream, own)
            if passed is None:
                continue
            labels = by(passed[0])
            _check(passed[0])
            number = series.number(labels)
            rows.append((number, row[0], row[-1], passed[1], len(passed[0].line.encode())))
        return Samples.of(rows)

    async with aclosing(reading.blocks(found)) as blocks:
        async for columns in blocks:
            # A block takes Python most of a second: others are served meanwhile.
            yield await asyncio.to_thread(counted, columns)


def _check(row: Row) -> None:
    if error := row.labels.get("__error__"):
        raise failed(error, row.labels.get("__error_details__"))


def failed(error: str, details: str = "") -> QueryError:
    """The error of a query whose rows have one."""
    said = f": {details}" if details else ""
    return QueryError(
        f"pipeline error: {error}{said}; to count only rows without an error add "
        '| __error__="" after the stage that fails'
    )
