"""`[query]` of the configuration: what the queries of every tenant may take, and of those that are
named."""

from __future__ import annotations

import msgspec

from tailrace.app.tenants import by_tenant
from tailrace.core import limits
from tailrace.core.errors import ConfigError
from tailrace.core.units import Seconds, Size
from tailrace.query.bounds.allowance import Allowance, Policy

_LEAST_S = 0.1
_MOST_TIMEOUT_S = 3600.0
_MOST_WAIT_S = 60.0
_MOST_WAITING = 1_000


class QueryConfig(msgspec.Struct, forbid_unknown_fields=True):
    """Of each query: `timeout`, `read_rows` and `read_bytes`; 0 is no limit of what is read.
    `running`: queries of one tenant at once; `concurrency`: of all tenants. `waiting`: of one
    tenant, `wait` at most. `slow`: from when on a query is logged."""

    timeout: Seconds = Seconds("30s")
    read_rows: int = limits.QUERY_READ_ROWS
    read_bytes: Size = Size("256GiB")
    running: int = limits.QUERIES_PER_TENANT
    waiting: int = limits.QUERIES_WAITING
    concurrency: int = limits.QUERIES_IN_FLIGHT
    wait: Seconds = Seconds("5s")
    slow: Seconds = Seconds("5s")
    tenants: list[TenantQueries] = []


class TenantQueries(msgspec.Struct, forbid_unknown_fields=True):
    """Of one tenant. What is not set is as for every tenant."""

    name: str
    timeout: Seconds | None = None
    read_rows: int | None = None
    read_bytes: Size | None = None
    running: int | None = None
    waiting: int | None = None


def policy(config: QueryConfig) -> Policy:
    """As the query room takes it. Raises ConfigError naming the key."""
    if not 1 <= config.concurrency <= limits.QUERIES_IN_FLIGHT:
        most = limits.QUERIES_IN_FLIGHT
        raise ConfigError(f"query.concurrency: from 1 to {most}, the engine's connections")
    if not _LEAST_S <= config.wait <= _MOST_WAIT_S:
        raise ConfigError('query.wait: from "100ms" to "60s"')
    tenants = by_tenant(config, config.tenants, "query", _allowance)
    return Policy(
        others=_allowance(config, "query"),
        tenants=tenants,
        running=config.concurrency,
        wait_s=float(config.wait),
        slow_s=float(config.slow),
        estimate=True,
    )


def _allowance(config: QueryConfig, key: str) -> Allowance:
    if not _LEAST_S <= config.timeout <= _MOST_TIMEOUT_S:
        raise ConfigError(f'{key}.timeout: from "100ms" to "1h"')
    for name in ("read_rows", "read_bytes"):
        if getattr(config, name) < 0:
            raise ConfigError(f"{key}.{name}: a number from 0, which is no limit")
    if config.running < 1:
        raise ConfigError(f"{key}.running: at least 1")
    if not 0 <= config.waiting <= _MOST_WAITING:
        raise ConfigError(f"{key}.waiting: from 0 to {_MOST_WAITING}")
    return Allowance(
        timeout_s=float(config.timeout),
        read_rows=config.read_rows,
        read_bytes=int(config.read_bytes),
        running=config.running,
        waiting=config.waiting,
    )
