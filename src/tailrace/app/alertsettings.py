"""`[alerts]` of the configuration: which rules there are, and what all alerts have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tailrace.core import limits
from tailrace.core.errors import ConfigError
from tailrace.core.frame import check_tenant
from tailrace.core.units import Seconds

TENANT = "default"


class TenantRules(msgspec.Struct, forbid_unknown_fields=True):
    """Rule files of one tenant."""

    name: str
    rules: list[str]


class AlertsConfig(msgspec.Struct, forbid_unknown_fields=True):
    """`rules`: files, or patterns of them, of the tenant "default"; `tenants`: those of others.
    `interval`: of groups that name none. `external_labels` and `external_url` are for templates and
    notices."""

    rules: list[str] = []
    tenants: list[TenantRules] = []
    interval: Seconds = Seconds("15s")
    external_labels: dict[str, str] = {}
    external_url: str = ""


def patterns(config: AlertsConfig) -> Mapping[str, Sequence[str]]:
    """Of each tenant. Raises ConfigError."""
    found: dict[str, Sequence[str]] = {TENANT: config.rules} if config.rules else {}
    for number, one in enumerate(config.tenants):
        key = f"alerts.tenants[{number}].name"
        if not check_tenant(one.name):
            raise ConfigError(f"{key}: {one.name!r} is no name of a tenant")
        if one.name in found:
            raise ConfigError(f"{key}: the rules of {one.name!r} are set twice")
        found[one.name] = one.rules
    if config.interval < limits.RULE_INTERVAL_LEAST_S:
        raise ConfigError(f'alerts.interval: at least "{limits.RULE_INTERVAL_LEAST_S:g}s"')
    return found
