"""`[alerts]` of the configuration: which rules there are, what all alerts have in common, and who
is told of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tailrace.alerts.delivery.settings import DeliverySettings
from tailrace.core import limits
from tailrace.core.errors import ConfigError
from tailrace.core.frame import check_tenant
from tailrace.core.units import Seconds

TENANT = "default"
# More lines than one a second say nothing more; limits.CANARY_BEATS holds as many.
_CANARY_LEAST_S = 1.0


class TenantRules(msgspec.Struct, forbid_unknown_fields=True):
    """Rule files of one tenant."""

    name: str
    rules: list[str]


class AlertsConfig(DeliverySettings, kw_only=True, forbid_unknown_fields=True):
    """Beside who is told: `rules`, files, or patterns of them, of the tenant "default"; `tenants`,
    those of others. `interval`: of groups that name none. `canary`: how often a marked line is
    written that says how late alerts are, 0 for never. `builtin`: whether there are built-in rules,
    without those of `disable`; those about the server are of `builtin_tenant`. `learning`: how long
    the errors of a service that is new are not new. `series`: whether alerts are series of ALERTS,
    too."""

    rules: list[str] = msgspec.field(default_factory=list)
    tenants: list[TenantRules] = msgspec.field(default_factory=list)
    interval: Seconds = Seconds("15s")
    builtin: bool = True
    builtin_tenant: str = TENANT
    disable: list[str] = msgspec.field(default_factory=list)
    learning: Seconds = Seconds("24h")
    canary: Seconds = Seconds("5s")
    series: bool = True


def check(config: AlertsConfig) -> None:
    """Whether receivers and routes can be meant. Raises ConfigError naming the key."""
    usual, names = DeliverySettings(), DeliverySettings.__struct_fields__
    if any(getattr(config, name) != getattr(usual, name) for name in names):
        # Matchers are RE2's, which an agent does not have.
        from tailrace.alerts.delivery import checks

        checks.check(config)


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
    if config.learning > limits.LEARNING_LONGEST_S:
        most = f"{limits.LEARNING_LONGEST_S / 86_400:g}d"
        raise ConfigError(f'alerts.learning: at most "{most}"; alerts.disable turns the alert off')
    if config.canary and not _CANARY_LEAST_S <= config.canary <= limits.CANARY_INTERVAL_S:
        raise ConfigError(
            f'alerts.canary: from "{_CANARY_LEAST_S:g}s" to "{limits.CANARY_INTERVAL_S:g}s", or '
            '"0s" for no canary'
        )
    return found
