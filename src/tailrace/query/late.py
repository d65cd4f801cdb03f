"""Rows that were taken in long after their time: of what, and of when."""

from __future__ import annotations

from typing import NamedTuple

from tailrace.core import limits
from tailrace.core.frame import Signal
from tailrace.query.binder import Binder
from tailrace.query.plan import Statement, moment
from tailrace.query.service import QueryService
from tailrace.store.schema import HOT_TABLES

_NAMES = {
    Signal.LOGS: "ServiceName",
    Signal.SPANS: "ServiceName",
    Signal.METRICS: "MetricName",
}
# Times are told as multiples of it.
BUCKET_NS = 15_000_000_000


class Late(NamedTuple):
    """Rows of a service, or of a metric, at event times from `first_ns` for BUCKET_NS."""

    name: str
    first_ns: int


class LateRows:
    """Asks for rows that came `after_s` or more after their event time."""

    def __init__(self, service: QueryService, after_s: float = limits.RULE_LATE_S) -> None:
        self._service = service
        self._after_ms = int(after_s * 1e3)

    async def of(
        self, signal: Signal, tenant: str, taken_ns: tuple[int, int], since_ns: int
    ) -> list[Late]:
        """Those that were taken in from one time until just before another one, at event times
        since `since_ns`; the first limits.RULE_LATE_ROWS of them by name and time.

        Raises QueryError, Busy, StoreError, TimeoutError.
        """
        bind = Binder()
        start, stop = (moment(one, bind) for one in taken_ns)
        # The first condition bounds event times by a constant, which says what days are read.
        sql = (
            f"SELECT {_NAMES[signal]} AS Name, "
            f"intDiv(toUnixTimestamp64Nano(toDateTime64(Timestamp, 9)), {BUCKET_NS}) AS Bucket "
            f"FROM {HOT_TABLES[signal]} WHERE Tenant = {bind.text(tenant)} "
            f"AND Timestamp >= {moment(since_ns, bind)} AND Timestamp < {stop} "
            f"AND IngestTime >= {start} AND IngestTime < {stop} "
            f"AND Timestamp <= IngestTime - toIntervalMillisecond({self._after_ms}) "
            f"GROUP BY Name, Bucket ORDER BY Name, Bucket LIMIT {limits.RULE_LATE_ROWS}"
        )
        async with self._service.slot("late"):
            rows = await self._service.run(Statement(sql, bind.values))
        return [Late(str(name), int(bucket) * BUCKET_NS) for name, bucket in rows]
