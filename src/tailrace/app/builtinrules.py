"""Which built-in rules a configuration wants, and of which tenants they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tailrace.alerts.builtin.names import GUARD_FINDING, NAMES, NEW_ERROR_PATTERN
from tailrace.app.alertsettings import TENANT, AlertsConfig
from tailrace.app.mistakes import nearest
from tailrace.core.errors import ConfigError
from tailrace.core.frame import check_tenant

if TYPE_CHECKING:
    from tailrace.alerts.rule import Group
    from tailrace.alerts.rules.entry import TemplateCheck


def check(config: AlertsConfig) -> None:
    """Raises ConfigError."""
    for name in config.disable:
        if name not in NAMES:
            meant = nearest(name, NAMES)
            said = f"is it {meant!r}?" if meant else f"there are {', '.join(NAMES)}"
            raise ConfigError(f"alerts.disable: there is no built-in rule {name!r}; {said}")
    if not check_tenant(config.builtin_tenant):
        said = f"{config.builtin_tenant!r} is no name of a tenant"
        raise ConfigError(f"alerts.builtin_tenant: {said}")


def builtin_groups(config: AlertsConfig, check_template: TemplateCheck) -> list[Group]:
    """Those that are evaluated. The logs of tenants are looked at where there are rules of theirs,
    and of the tenant "default"."""
    from tailrace.alerts.builtin.groups import builtin

    if not config.builtin:
        return []
    tenants, interval_ns = _with_rules(config), int(config.interval * 1e9)
    return builtin(config.builtin_tenant, tenants, config.disable, interval_ns, check_template)


def finding_tenants(config: AlertsConfig) -> list[str]:
    """Tenants that the built-in alert of findings is shown to without any; none where it is off."""
    return [config.builtin_tenant] if _is_on(config, GUARD_FINDING) else []


def pattern_tenants(config: AlertsConfig) -> list[str]:
    """Tenants whose errors are looked at for new ones; none where that is off."""
    return _with_rules(config) if _is_on(config, NEW_ERROR_PATTERN) else []


def _is_on(config: AlertsConfig, name: str) -> bool:
    return config.builtin and name not in config.disable


def _with_rules(config: AlertsConfig) -> list[str]:
    return list(dict.fromkeys([TENANT, *(one.name for one in config.tenants)]))
