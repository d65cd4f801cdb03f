"""The groups of the built-in rules that are not turned off."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from importlib import resources

from tailrace.alerts.rule import Group
from tailrace.alerts.rules.entry import TemplateCheck
from tailrace.alerts.rules.reader import INTERVAL_NS, Origin, any_template, read

FOLDER = "built in"


def builtin(
    server: str,
    tenants: Iterable[str],
    disabled: Collection[str] = (),
    interval_ns: int = INTERVAL_NS,
    check_template: TemplateCheck = any_template,
) -> list[Group]:
    """Of the tenant `server` those about the server, of all `tenants` those about their logs."""
    files = [("server.yml", server), *(("services.yml", tenant) for tenant in tenants)]
    found = []
    for name, tenant in files:
        text = resources.files(__package__).joinpath(name).read_bytes()
        origin = Origin(tenant, FOLDER, "built in", interval_ns=interval_ns)
        reading = read(text, origin, check_template)
        assert not reading.errors, reading.errors
        for group in reading.groups:
            rules = tuple(rule for rule in group.rules if rule.alert not in disabled)
            found += [replace(group, rules=rules)] if rules else []
    return found
