"""The lines before a live tail: read from the store, up to the first frame that comes live."""

from __future__ import annotations

from tailrace.core import limits
from tailrace.core.contracts import Feed
from tailrace.query.binder import Binder
from tailrace.query.logql.ast import LogQuery
from tailrace.query.logs.columns import Decoder
from tailrace.query.logs.entries import Entry, passing
from tailrace.query.logs.logs import Logs
from tailrace.query.logs.pushdown import pushed
from tailrace.query.pipeline.pipeline import Pipeline
from tailrace.query.plan import Statement, within
from tailrace.query.tail.outlet import Outlet
from tailrace.query.tail.rows import COLUMNS, WIDTH
from tailrace.query.times import HOUR_NS

# What was acknowledged is in the store within a second, unless the writer has fallen behind.
STORED_S = 5.0
# A sender's clock may be ahead.
AHEAD_NS = HOUR_NS
BEHIND = "the store is behind: lines of the last moments may be missing"


async def history(
    logs: Logs,
    feed: Feed,
    query: LogQuery,
    outlet: Outlet,
    start_ns: int,
    limit: int,
    taken_ns: int = 0,
) -> list[Entry]:
    """The last `limit` lines since `start_ns` of the frames that do not come live to `outlet`; with
    `taken_ns` only of rows that were taken in since then.

    Waits until the store has them, at most STORED_S; the outlet tells when it had not. Raises
    QueryError, Busy, StoreError, TimeoutError.
    """
    if not await feed.stored(STORED_S):
        outlet.unread(BEHIND, 0)
    service = logs.service
    end_ns = service.clock.wall_ns() + AHEAD_NS
    async with service.slot("tail"):
        scope = await logs.scope(outlet.tenant, start_ns, end_ns)
        bind = Binder()
        found = pushed(query, scope.tenant, scope.keys, bind)
        # Rows that come live stand among those that are asked for.
        wanted = limit + sum((outlet.live or {}).values())
        if not found.complete or found.unsure or wanted > limits.QUERY_ROWS:
            wanted = limits.QUERY_ROWS
        where = [f"Tenant = {bind.text(outlet.tenant)}", *found.may_pass]
        where.append(within(start_ns, end_ns - 1, bind))
        if taken_ns:
            where.append(f"IngestTime >= fromUnixTimestamp64Nano(toInt64({int(taken_ns)}))")
        sql = (
            f"SELECT {COLUMNS}, Source, Epoch, Seq FROM {scope.table} "
            f"WHERE {' AND '.join(where)} "
            f"ORDER BY Timestamp DESC, _part_offset DESC LIMIT {int(wanted)}"
        )
        rows = await service.run(Statement(sql, bind.values))
    live = outlet.live or {}
    before = (row for row in rows if row[WIDTH:] not in live)
    return list(passing(before, Pipeline(query.stages), Decoder()))[:limit][::-1]
