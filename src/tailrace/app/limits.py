"""`[limits]` of the configuration: what every tenant may send, and those that are named."""

from __future__ import annotations

import msgspec

from tailrace.app.tenants import by_tenant
from tailrace.core import limits
from tailrace.core.errors import ConfigError
from tailrace.core.units import Seconds, Size
from tailrace.gateway.admission.quota import Over, Quota, Quotas, Rate

_LEAST_BURST_S = 0.1
_MOST_BURST_S = 3600.0
_MOST_HEAD_S = 300.0


class ServiceLimits(msgspec.Struct, forbid_unknown_fields=True):
    """Of one service. 0 is no limit."""

    bytes_per_second: Size = Size("0B")
    rows_per_second: int = 0


class LimitsConfig(msgspec.Struct, forbid_unknown_fields=True):
    """Of every tenant that is not named; 0 is no limit. The last three are of the HTTP port.

    `service_*`: of each service; `services`: of those that are named. `over`: what becomes of what
    is beyond a rate, the day's bytes or what is distinct.
    """

    bytes_per_second: Size = Size("0B")
    rows_per_second: int = 0
    burst: Seconds = Seconds("2s")
    bytes_per_day: Size = Size("0B")
    requests: int = 0
    services_per_hour: int = 0
    label_sets_per_hour: int = 0
    labels: int = 0
    attributes: int = 0
    line: Size = Size("0B")
    body: Size = Size("0B")
    service_bytes_per_second: Size = Size("0B")
    service_rows_per_second: int = 0
    services: dict[str, ServiceLimits] = {}
    over: Over = "refuse"
    tenants: list[TenantLimits] = []
    connections: int = limits.CONNECTIONS
    connections_per_peer: int = limits.CONNECTIONS_PER_PEER
    head_time: Seconds = Seconds("10s")


class TenantLimits(msgspec.Struct, forbid_unknown_fields=True):
    """Of one tenant. What is not set is as for every tenant."""

    name: str
    bytes_per_second: Size | None = None
    rows_per_second: int | None = None
    burst: Seconds | None = None
    bytes_per_day: Size | None = None
    requests: int | None = None
    services_per_hour: int | None = None
    label_sets_per_hour: int | None = None
    labels: int | None = None
    attributes: int | None = None
    line: Size | None = None
    body: Size | None = None
    service_bytes_per_second: Size | None = None
    service_rows_per_second: int | None = None
    services: dict[str, ServiceLimits] | None = None
    over: Over | None = None


# The most that a limit may say, where there is one for everybody.
_MOST = {
    "services_per_hour": limits.DISTINCT_PER_HOUR,
    "label_sets_per_hour": limits.DISTINCT_PER_HOUR,
    "labels": limits.RESOURCE_ATTRIBUTES,
    "attributes": limits.ATTRIBUTES_PER_RECORD,
    "line": limits.LINE_BYTES,
    "body": limits.BODY_BYTES,
}


def quotas(config: LimitsConfig) -> Quotas:
    """As the door takes them. Raises ConfigError naming the key."""
    tenants = by_tenant(config, config.tenants, "limits", _quota)
    _check_connections(config)
    return Quotas(_quota(config, "limits"), tenants)


def _quota(config: LimitsConfig, key: str) -> Quota:
    """Plain numbers: a size that remembers its text cannot be encoded."""
    _check(config, key)
    named = {name: _rate(service) for name, service in config.services.items()}
    return Quota(
        rate=Rate(int(config.bytes_per_second), config.rows_per_second),
        burst_s=float(config.burst),
        bytes_per_day=int(config.bytes_per_day),
        requests=config.requests,
        services_per_hour=config.services_per_hour,
        label_sets_per_hour=config.label_sets_per_hour,
        labels=config.labels,
        attributes=config.attributes,
        line_bytes=int(config.line),
        body_bytes=int(config.body),
        service=Rate(int(config.service_bytes_per_second), config.service_rows_per_second),
        services=named,
        over=config.over,
    )


def _rate(service: ServiceLimits) -> Rate:
    return Rate(int(service.bytes_per_second), service.rows_per_second)


def _check(config: LimitsConfig, key: str) -> None:
    for name, value in msgspec.structs.asdict(config).items():
        if isinstance(value, int) and value < 0:
            raise ConfigError(f"{key}.{name}: a number from 0, which is no limit")
        if name in _MOST and value > _MOST[name]:
            raise ConfigError(f"{key}.{name}: at most {_MOST[name]}, the limit of everybody")
    for name, service in config.services.items():
        if service.rows_per_second < 0:
            raise ConfigError(f"{key}.services.{name}.rows_per_second: a number from 0")
    if not _LEAST_BURST_S <= config.burst <= _MOST_BURST_S:
        raise ConfigError(f'{key}.burst: from "100ms" to "1h"')


def _check_connections(config: LimitsConfig) -> None:
    for name in ("connections", "connections_per_peer"):
        if getattr(config, name) < 1:
            raise ConfigError(f"limits.{name}: at least 1")
    if not 1 <= config.head_time <= _MOST_HEAD_S:
        raise ConfigError('limits.head_time: from "1s" to "5m"')
