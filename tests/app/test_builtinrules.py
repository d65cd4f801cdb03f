"""Built-in rules in `[alerts]`: what is refused, and which there are."""

from __future__ import annotations

import pytest

from tailrace.alerts.builtin.names import NAMES
from tailrace.alerts.rules.reader import any_template
from tailrace.app.alertsettings import AlertsConfig, TenantRules, patterns
from tailrace.app.builtinrules import builtin_groups, check, finding_tenants, pattern_tenants
from tailrace.core.errors import ConfigError
from tailrace.core.units import Seconds


def names(config: AlertsConfig) -> list[tuple[str, str]]:
    groups = builtin_groups(config, any_template)
    return [(group.tenant, rule.alert) for group in groups for rule in group.rules]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (AlertsConfig(disable=["AgentSilence"]), "is it 'AgentSilent'?"),
        (AlertsConfig(disable=["x"]), f"there are {', '.join(NAMES)}"),
        (AlertsConfig(builtin_tenant="a b"), "alerts.builtin_tenant: 'a b' is no name of a tenant"),
    ],
)
def test_a_wrong_setting_is_refused_in_words(config: AlertsConfig, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        check(config)
    assert said in str(refused.value)


def test_rules_about_the_server_are_of_one_tenant_and_those_about_logs_of_each() -> None:
    config = AlertsConfig(tenants=[TenantRules("shop", [])], builtin_tenant="operators")
    found = names(config)
    assert ("operators", "AgentSilent") in found
    assert [tenant for tenant, name in found if name == "ErrorRateJump"] == ["default", "shop"]
    assert finding_tenants(config) == ["operators"]
    assert pattern_tenants(config) == ["default", "shop"]


def test_they_are_turned_off_one_by_one_or_all() -> None:
    some = AlertsConfig(disable=["AgentSilent", "GuardFinding", "NewErrorPattern"])
    check(some)
    assert ("default", "AgentSilent") not in names(some)
    assert (finding_tenants(some), pattern_tenants(some)) == ([], [])
    none = AlertsConfig(builtin=False)
    assert (names(none), finding_tenants(none), pattern_tenants(none)) == ([], [], [])


def test_a_time_of_learning_that_never_ends_is_refused() -> None:
    assert AlertsConfig().learning == 86_400
    patterns(AlertsConfig(learning=Seconds("30d")))
    with pytest.raises(ConfigError, match=r"alerts.learning: at most .30d.; alerts.disable"):
        patterns(AlertsConfig(learning=Seconds("31d")))
