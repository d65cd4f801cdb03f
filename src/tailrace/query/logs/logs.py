"""Questions about the logs of one tenant, within the bounds of the query service."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from tailrace.core import limits
from tailrace.core.errors import QueryError
from tailrace.core.frame import Signal
from tailrace.query.catalogue import MAX_KEYS, Catalogue
from tailrace.query.labels import is_built_in, sanitise, stream
from tailrace.query.logql.ast import LineFilter, LogQuery, Metric, Query
from tailrace.query.logql.parser import is_scalar
from tailrace.query.logql.text import text
from tailrace.query.logs import labelstatements as statements
from tailrace.query.logs.entries import Entry
from tailrace.query.logs.leaf import Leaf
from tailrace.query.logs.lines import LogRange, lines
from tailrace.query.logs.metric import (
    evaluate,
    log_queries,
    names_of,
    range_aggregations,
    weeklies,
)
from tailrace.query.logs.ranges import aggregate
from tailrace.query.logs.reading import Reading
from tailrace.query.matrix.matrix import Matrix, Value
from tailrace.query.pipeline.pipeline import Pipeline
from tailrace.query.plan import Grid, Scope
from tailrace.query.service import QueryService
from tailrace.query.sources import Source
from tailrace.query.steps import StepKey
from tailrace.query.weeks import spans
from tailrace.store.schema import HOT_TABLES

Span = tuple[int, int]
DEFAULT_LABELS = ("level", "service_name")


class Logs:
    """All methods raise QueryError, Busy, StoreError or TimeoutError, and take a slot."""

    def __init__(self, service: QueryService) -> None:
        self.service = service
        self._catalogue = Catalogue(self._load_keys, service.clock)

    async def lines(self, query: LogQuery, tenant: str, wanted: LogRange) -> list[Entry]:
        """Lines in order of time."""
        if not 0 < wanted.limit <= limits.QUERY_ROWS:
            message = f"limit={wanted.limit} is outside 1 to {limits.QUERY_ROWS} (QUERY_ROWS)"
            raise QueryError(message)
        async with self.service.slot("lines"):
            span = (wanted.start_ns, wanted.end_ns)
            source = await self._source(tenant, *span, query)
            return await lines(query, wanted, await self._reading(query, tenant, span, source))

    async def metric(self, query: Metric, tenant: str, grid: Grid) -> Value:
        """The value of a metric query at every step of `grid`; finished steps are remembered."""
        # Not of the missing steps alone: what is told of the others changes with time, too.
        sources = await self._sources(query, tenant, grid)
        if grid.steps < 2 or is_scalar(query):
            return await self._evaluated(query, tenant, grid, sources)
        key = StepKey(tenant, Signal.LOGS, "logql", text(query))

        async def part(missing: Grid) -> Matrix:
            found = await self._evaluated(query, tenant, missing, sources)
            assert isinstance(found, Matrix)
            return found

        ahead_ns = max(0, *(-one.offset_ns for one in range_aggregations(query)), 0)
        return await self.service.steps.evaluate(key, grid, part, ahead_ns)

    async def _sources(self, query: Metric, tenant: str, grid: Grid) -> dict[Span, Source]:
        """Where the rows of each range are that the query reads."""
        if not range_aggregations(query):
            return {_times(query, grid): Source(HOT_TABLES[Signal.LOGS])}
        return {
            span: await self._source(tenant, *span, query)
            for span in dict.fromkeys(_ranges(query, grid))
        }

    async def _evaluated(
        self, query: Metric, tenant: str, grid: Grid, sources: Mapping[Span, Source]
    ) -> Value:
        async with self.service.slot("metric"):
            span = _times(query, grid)
            source = _covering(sources, span)
            reading = await self._reading(query, tenant, span, source)

            async def read(leaf: Leaf, on: Grid) -> Matrix:
                if on == grid:
                    return await aggregate(leaf, on, reading)
                part = _times(leaf.aggregation, on)
                return await self._leaf(leaf, tenant, on, _covering(sources, part))

            if weeklies(query):
                self.service.together()
            return await evaluate(query, grid, read)

    async def leaf(self, leaf: Leaf, tenant: str, grid: Grid) -> Matrix:
        """What `evaluate` reads for one leaf of a metric query; nothing is remembered."""
        source = await self._source(tenant, *_times(leaf.aggregation, grid), leaf.aggregation)
        async with self.service.slot("metric"):
            return await self._leaf(leaf, tenant, grid, source)

    async def _leaf(self, leaf: Leaf, tenant: str, grid: Grid, source: Source) -> Matrix:
        span = _times(leaf.aggregation, grid)
        reading = await self._reading(leaf.aggregation, tenant, span, source, leaf.named)
        return await aggregate(leaf, grid, reading)

    async def _reading(
        self,
        query: Query,
        tenant: str,
        span_ns: tuple[int, int],
        source: Source,
        named: Iterable[str] = (),
    ) -> Reading:
        """What the query reads from; `named`: labels that it needs besides. Needs a slot."""
        for log in log_queries(query):
            Pipeline(log.stages)  # refuses what cannot run, also where all of it becomes SQL
        keys: Sequence[str] = ()
        if _needs_keys(query, named):
            keys = await self._keys_of(query, tenant, *span_ns)
        part = source.within(*span_ns)
        return Reading(tenant, self.service.run, self.service.blocks, part, keys)

    async def scope(self, tenant: str, start_ns: int, end_ns: int) -> Scope:
        """Of statements about the rows in the range; needs a slot."""
        keys = await self._catalogue.keys(tenant, start_ns, end_ns)
        return Scope(tenant, keys, (await self._source(tenant, start_ns, end_ns)).table)

    async def _source(
        self, tenant: str, start_ns: int, end_ns: int, query: Query | None = None
    ) -> Source:
        """Of all rows, or of those that a query may read."""
        services = {_service(log) for log in log_queries(query)} if query is not None else set()
        one = services.pop() if len(services) == 1 else ""
        return await self.service.source(Signal.LOGS, tenant, start_ns, end_ns, one)

    async def _keys_of(
        self, query: Query, tenant: str, start_ns: int, end_ns: int
    ) -> Sequence[str]:
        """The raw keys of the rows that the query may read."""
        found: set[str] = set()
        for service in {_service(log) for log in log_queries(query)}:
            found.update(await self._catalogue.keys(tenant, start_ns, end_ns, service))
        return sorted(found)

    async def label_names(self, tenant: str, start_ns: int, end_ns: int) -> list[str]:
        """Sorted label names of the streams in the range."""
        async with self.service.slot("labels"):
            scope = await self.scope(tenant, start_ns, end_ns)
        return sorted({*DEFAULT_LABELS, "host_name", *map(sanitise, scope.keys)})

    async def label_values(
        self, label: str, query: LogQuery | None, tenant: str, start_ns: int, end_ns: int
    ) -> list[str]:
        """Sorted values of a label, without ''."""
        log = query or LogQuery(())
        limit = limits.QUERY_ROWS
        async with self.service.slot("values"):
            scope = await self.scope(tenant, start_ns, end_ns)
            sql = statements.label_values(label, log, scope, start_ns, end_ns, limit + 1)
            rows = await self.service.run(sql)
        if len(rows) > limit:
            raise QueryError(f"the label has more than {limit} values (QUERY_ROWS)")
        return sorted(row[0] for row in rows if row[0])

    async def series(
        self, query: LogQuery, tenant: str, start_ns: int, end_ns: int
    ) -> list[dict[str, str]]:
        """Label sets of the streams that `query` selects."""
        limit = limits.QUERY_SERIES
        async with self.service.slot("series"):
            scope = await self.scope(tenant, start_ns, end_ns)
            rows = await self.service.run(
                statements.streams(query, scope, start_ns, end_ns, limit + 1)
            )
        if len(rows) > limit:
            raise QueryError(f"more than {limit} series match (QUERY_SERIES); narrow the selector")
        unique = {tuple(sorted(stream(*row).items())) for row in rows}
        return [dict(labels) for labels in sorted(unique)]

    async def _load_keys(
        self, tenant: str, start_ns: int, end_ns: int, service: str
    ) -> tuple[str, ...]:
        source = await self.service.sources.source(Signal.LOGS, tenant, start_ns, end_ns, service)
        scope = Scope(tenant, table=source.table)
        rows = await self.service.run(
            statements.attribute_keys(scope, start_ns, end_ns, service, MAX_KEYS)
        )
        return tuple(row[0] for row in rows)


def _times(query: Metric, grid: Grid) -> tuple[int, int]:
    """From and to: of the rows that the steps of `grid` depend on."""
    start, end = grid.start_ns, grid.last_ns
    for one in range_aggregations(query):
        start = min(start, grid.start_ns - one.range_ns - one.offset_ns)
        end = max(end, grid.last_ns - one.offset_ns)
    return max(start, 0), end


def _ranges(query: Metric, grid: Grid) -> Iterator[Span]:
    """From and to: of the rows that the steps of `grid` depend on, week by week."""
    yield _times(query, grid)
    for one in weeklies(query):
        for start_ns, end_ns in spans(one.function, one.weeks, grid.start_ns, grid.last_ns):
            start, end = _times(one, Grid(start_ns, end_ns - start_ns, 2))
            yield start, max(end, 0)


def _covering(sources: Mapping[Span, Source], span: Span) -> Source:
    return next(
        source
        for (first_ns, last_ns), source in sources.items()
        if first_ns <= span[0] and span[1] <= last_ns
    )


def _service(log: LogQuery) -> str:
    """The one service of which the query reads rows, "" for any."""
    equal = (one.value for one in log.matchers if (one.name, one.op) == ("service_name", "="))
    return next(equal, "")


def _needs_keys(query: Query, named: Iterable[str]) -> bool:
    """Whether any label of the query, or of `named`, may be a resource attribute."""
    logs = log_queries(query)
    if any(not isinstance(stage, LineFilter) for log in logs for stage in log.stages):
        return True
    names = [matcher.name for log in logs for matcher in log.matchers]
    return not all(map(is_built_in, [*names, *names_of(query), *named]))
