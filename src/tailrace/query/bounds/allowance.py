"""What the queries of one tenant may take, and all of them together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tailrace.core import limits
from tailrace.core.bounds import Bounds


@dataclass(frozen=True)
class Allowance:
    """`timeout_s` and what is read are of each query; 0 rows or bytes is no bound. `running` and
    `waiting` are queries at the same time."""

    timeout_s: float = limits.QUERY_SECONDS
    read_rows: int = limits.QUERY_READ_ROWS
    read_bytes: int = limits.QUERY_READ_BYTES
    running: int = limits.QUERIES_PER_TENANT
    waiting: int = limits.QUERIES_WAITING

    @property
    def bounds(self) -> Bounds:
        """Those of each statement."""
        return Bounds(self.read_rows, self.read_bytes)


@dataclass(frozen=True)
class Policy:
    """Every tenant that is not in `tenants` has `others`. `running` queries of all tenants run at
    once, more wait `wait_s`; one that takes `slow_s` is logged.
    `estimate`: whether statements that would read too much are refused before they do."""

    others: Allowance = Allowance()
    tenants: Mapping[str, Allowance] = field(default_factory=dict)
    running: int = limits.QUERIES_IN_FLIGHT
    wait_s: float = limits.QUERY_WAIT_S
    slow_s: float = limits.SLOW_SECONDS
    estimate: bool = False

    def of(self, tenant: str) -> Allowance:
        """What this tenant may take."""
        return self.tenants.get(tenant, self.others)
