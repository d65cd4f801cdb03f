"""What a tenant may send. 0 stands for no limit, everywhere."""

from __future__ import annotations

from typing import Literal

import msgspec

Over = Literal["refuse", "divert"]


class Rate(msgspec.Struct, frozen=True):
    """Bytes before compression, and rows."""

    bytes_per_second: float = 0
    rows_per_second: float = 0

    def __bool__(self) -> bool:
        return bool(self.bytes_per_second or self.rows_per_second)


class Quota(msgspec.Struct, frozen=True):
    """`rate` is the tenant's, `service` that of each of its services, `services` by their names.

    `burst_s`: seconds of a rate that may come at once. `requests`: at the same time. `labels`: of
    one resource or series; `attributes`: of one record. `over`: whether what is beyond a rate, the
    day's bytes or the distinct services and label sets is refused, or goes the bulk lane, late.
    """

    rate: Rate = Rate()
    burst_s: float = 2.0
    bytes_per_day: int = 0
    requests: int = 0
    services_per_hour: int = 0
    label_sets_per_hour: int = 0
    labels: int = 0
    attributes: int = 0
    line_bytes: int = 0
    body_bytes: int = 0
    service: Rate = Rate()
    services: dict[str, Rate] = {}
    over: Over = "refuse"

    @property
    def looks_inside(self) -> bool:
        """Whether rows have to be looked at: headers do not tell what this limits."""
        return bool(
            self.service
            or self.services
            or self.services_per_hour
            or self.label_sets_per_hour
            or self.labels
            or self.attributes
            or self.line_bytes
        )

    def of_service(self, name: str) -> Rate:
        return self.services.get(name, self.service)


class Quotas(msgspec.Struct, frozen=True):
    """Of every tenant, and of those that are named."""

    default: Quota = Quota()
    tenants: dict[str, Quota] = {}

    def of(self, tenant: str) -> Quota:
        return self.tenants.get(tenant, self.default)
