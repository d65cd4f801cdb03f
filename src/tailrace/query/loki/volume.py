"""How much there is: index/stats, index/volume and index/volume_range."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tailrace.core.errors import QueryError
from tailrace.query.asked import Asked
from tailrace.query.binder import Binder
from tailrace.query.logql.ast import LogQuery, RangeAggregation, VectorAggregation
from tailrace.query.logql.parser import parse_log
from tailrace.query.logs.columns import line_bytes
from tailrace.query.logs.logs import Logs
from tailrace.query.logs.pushdown import conditions
from tailrace.query.loki import encoding
from tailrace.query.matrix.grouping import Grouping
from tailrace.query.matrix.matrix import Matrix
from tailrace.query.plan import Grid, Statement, grid, within
from tailrace.query.times import SECOND_NS, parse_span


class Volume:
    """The answers, as values to encode."""

    def __init__(self, logs: Logs) -> None:
        self._logs = logs

    async def stats(self, asked: Asked) -> object:
        """Rows and bytes of lines that match; streams are told apart by service and host."""
        query = parse_log(asked.need("query"))
        start, end = asked.range()
        async with self._logs.service.slot("stats"):
            scope = await self._logs.scope(asked.tenant, start, end)
            bind = Binder()
            where = conditions(LogQuery(query.matchers), scope.tenant, scope.keys, bind)
            where.append(within(start, end - 1, bind))
            sql = (
                f"SELECT uniq(ServiceName, HostName), count(), sum({line_bytes(scope.table)}) "
                f"FROM {scope.table} WHERE {' AND '.join(where)}"
            )
            [(streams, rows, size)] = await self._logs.service.run(Statement(sql, bind.values))
        return {"streams": streams, "chunks": streams, "entries": rows, "bytes": size}

    async def volume(self, asked: Asked) -> object:
        """Bytes of each label set in the range."""
        start, end = asked.range()
        found = await self._bytes(asked, Grid(end, SECOND_NS, 1), max(end - start, 1))
        data = encoding.instant_data(found, end, 0.0, False, True)
        return {"resultType": "vector", "result": data["result"]}

    async def volume_range(self, asked: Asked) -> object:
        """Bytes of each label set in each step."""
        start, end = asked.range()
        step = parse_span(asked.get("step"), "step") if asked.get("step") else max(end - start, 1)
        on = grid(start, end, step)
        found = await self._bytes(asked, on, step)
        data = encoding.matrix_data(found, on, 0.0, False)
        return {"resultType": "matrix", "result": data["result"]}

    async def _bytes(self, asked: Asked, on: Grid, range_ns: int) -> Matrix:
        """The largest `limit` label sets, largest first."""
        query = parse_log(asked.need("query"))
        names, apart = self._names(asked, query), asked.get("aggregateBy") == "labels"
        if asked.get("aggregateBy") not in ("", "series", "labels"):
            raise QueryError("aggregateBy is neither series nor labels")
        groups = [(name,) for name in names] if apart else [tuple(names)]
        matrices: list[Matrix] = []
        for group in groups:
            counted = RangeAggregation("bytes_over_time", LogQuery(query.matchers), range_ns)
            tree = VectorAggregation("sum", Grouping(False, group), counted)
            found = await self._logs.metric(tree, asked.tenant, on)
            assert isinstance(found, Matrix)
            matrices.append(found)
        return _largest(matrices, names if apart else [], asked.limit())

    def _names(self, asked: Asked, query: LogQuery) -> list[str]:
        """The labels to tell apart: `targetLabels`, else those that the selector names."""
        chosen = [name.strip() for name in asked.get("targetLabels").split(",") if name.strip()]
        return list(dict.fromkeys(chosen or [matcher.name for matcher in query.matchers]))


def _largest(matrices: Sequence[Matrix], names: Sequence[str], limit: int) -> Matrix:
    """The largest label sets, largest first; with `names` one for each label, over all its
    values."""
    if names:
        whole = zip(names, map(_labelled, matrices), strict=True)
        kept = [(((name, ""),), one) for name, one in whole if len(one.labels)]
        values = [one.values.sum(axis=0) for _, one in kept]
        there = [one.present.any(axis=0) for _, one in kept]
        steps = matrices[0].steps
        shape = (len(kept), steps)
        found = Matrix(
            [labels for labels, _ in kept],
            np.array(values, float).reshape(shape),
            np.array(there, np.bool_).reshape(shape),
        )
    else:
        found = _labelled(matrices[0])
    totals = np.where(found.present, found.values, 0).sum(axis=1)
    return found.rows(np.argsort(-totals, kind="stable")[:limit])


def _labelled(found: Matrix) -> Matrix:
    """The series that have a label."""
    some = [row for row, labels in enumerate(found.labels) if labels]
    return found.rows(np.array(some, np.intp))
