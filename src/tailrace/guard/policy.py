"""Which action belongs to which kind, service and environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache

from tailrace.core.errors import ConfigError
from tailrace.core.finding import Action
from tailrace.guard.kinds import Kind
from tailrace.guard.settings import Rule

_CACHED = 4_096
_CHOOSABLE = ("pseudonymise", "redact", "mask", "drop_field", "drop_row", "alert_only")


class Policy:
    """Raises ConfigError for rules that would break what is promised."""

    def __init__(self, rules: Sequence[Rule], kinds: Mapping[str, Kind]) -> None:
        self._rules = list(rules)
        self._kinds = kinds
        for number, rule in enumerate(rules):
            _check(f"guard.rules[{number}]", rule, kinds)
        for kind in kinds:
            self._check_mixed(kind)
        self.action = lru_cache(_CACHED)(self._action)
        # Whether a rule depends on what a row says of itself.
        self.by_row = any(rule.service != "*" or rule.environment != "*" for rule in rules)

    def _action(self, kind: str, service: str, environment: str) -> Action:
        for rule in self._rules:
            fits = rule.detector in (kind, "*") and fnmatchcase(service, rule.service)
            if fits and fnmatchcase(environment, rule.environment):
                return rule.action
        return self._kinds[kind].action

    def _check_mixed(self, kind: str) -> None:
        """PCI DSS 4: who holds a truncation and a hash of the same number can find the rest."""
        actions: set[Action] = set()
        for number, rule in enumerate(self._rules):
            if rule.detector in (kind, "*"):
                actions.add(rule.action)
                if {"mask", "pseudonymise"} <= actions:
                    raise ConfigError(_mixed(f"guard.rules[{number}]", kind))
                if rule.service == rule.environment == "*":
                    return
        if "mask" in actions and self._kinds[kind].action == "pseudonymise":
            raise ConfigError(
                _mixed("guard.rules", kind)
                + f'; add {{ detector = "{kind}", action = "redact" }} as the last rule for it'
            )


def _mixed(key: str, kind: str) -> str:
    return (
        f"{key}: {kind} is masked here and pseudonymised there: together they give the value away"
    )


def _check(key: str, rule: Rule, kinds: Mapping[str, Kind]) -> None:
    if rule.action not in _CHOOSABLE:
        raise ConfigError(f"{key}.action: one of {', '.join(_CHOOSABLE)}")
    if rule.detector == "*":
        if rule.action not in ("redact", "drop_field", "drop_row"):
            raise ConfigError(f"{key}.action: for all detectors redact, drop_field or drop_row")
        return
    kind = kinds.get(rule.detector)
    if kind is None:
        known = ", ".join(sorted(kinds))
        raise ConfigError(f"{key}.detector: {rule.detector!r} is none; there are: {known}")
    if rule.action in kind.refused or (rule.action == "mask" and kind.mask is None):
        raise ConfigError(f"{key}.action: {kind.title} may not be left or kept as {rule.action}")
