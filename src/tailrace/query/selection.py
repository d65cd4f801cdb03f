"""The WHERE of a log query: tenant, matchers and what of the stages is SQL; time is added by the
plan."""

from __future__ import annotations

from collections.abc import Iterable

from tailrace.query.binder import Binder
from tailrace.query.logql.ast import LogQuery
from tailrace.query.logs.pushdown import pushed


def conditions(query: LogQuery, tenant: str, keys: Iterable[str], bind: Binder) -> list[str]:
    """SQL conditions that all hold for each row that passes. The tenant always comes first."""
    rows = pushed(query, tenant, tuple(keys), bind)
    return [f"Tenant = {bind.text(tenant)}", *rows.may_pass]
