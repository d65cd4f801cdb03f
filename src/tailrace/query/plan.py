"""What statements are made of. Every value of a query is a parameter of its statement, and every
statement names one tenant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tailrace.core.bounds import UNBOUND, Bounds
from tailrace.core.errors import QueryError
from tailrace.core.limits import QUERY_STEPS
from tailrace.query.binder import Binder


@dataclass(frozen=True)
class Statement:
    """SQL and its parameters; `settings` of the engine, constants of the code, and bounds of its
    own besides those of the tenant."""

    sql: str
    parameters: dict[str, object] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)
    bounds: Bounds = UNBOUND


@dataclass(frozen=True)
class Scope:
    """Whose rows, which raw resource attribute keys they have, and what stands after FROM."""

    tenant: str
    keys: tuple[str, ...] = ()
    table: str = "logs"


@dataclass(frozen=True)
class Grid:
    """Evaluation times `start_ns + i * step_ns` for i in 0..steps-1."""

    start_ns: int
    step_ns: int
    steps: int

    @property
    def last_ns(self) -> int:
        return self.start_ns + (self.steps - 1) * self.step_ns


def grid(start_ns: int, end_ns: int, step_ns: int) -> Grid:
    """The evaluation times. Raises QueryError when there are more than QUERY_STEPS."""
    steps = (end_ns - start_ns) // step_ns + 1
    if steps > QUERY_STEPS:
        raise QueryError(
            f"the range holds {steps} steps, more than {QUERY_STEPS} (QUERY_STEPS); "
            "use a longer step"
        )
    return Grid(start_ns, step_ns, max(steps, 0))


def moment(nanoseconds: int, bind: Binder) -> str:
    """A DateTime64(9); before 1970 becomes 1970, since nothing is older."""
    return f"fromUnixTimestamp64Nano({bind.integer(max(nanoseconds, 0))})"


def within(start_ns: int, end_ns: int, bind: Binder) -> str:
    """SQL that holds for rows from `start_ns` to `end_ns`, both included."""
    start, end = moment(start_ns, bind), moment(end_ns, bind)
    return f"Timestamp >= {start} AND Timestamp <= {end}"


def of_tenant(tenant: str, span_ns: tuple[int, int] | None, bind: Binder) -> str:
    """SQL that holds for rows of a tenant, within a range where there is one."""
    found = f"Tenant = {bind.text(tenant)}"
    return found if span_ns is None else f"{found} AND {within(*span_ns, bind)}"
