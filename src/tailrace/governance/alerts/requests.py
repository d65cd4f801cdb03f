"""The tables of what people ask for: silences, and rules by the API; see ../schema.py."""

from __future__ import annotations

from sqlalchemy import Connection, Table, delete, func, select

from tailrace.core import alertbounds, limits
from tailrace.core.alerting import Matcher, RuleText, Silence
from tailrace.core.errors import TooLarge
from tailrace.governance.alerts.rows import put
from tailrace.governance.schema import RULE_TEXTS, SILENCES

_s = SILENCES.c
_r = RULE_TEXTS.c


def silences(connection: Connection, tenant: str) -> list[Silence]:
    """Of a tenant, or of all when it is ""."""
    wanted = select(
        _s.id, _s.tenant, _s.matchers, _s.starts_ns, _s.ends_ns, _s.author, _s.comment,
        _s.updated_ns,
    )  # fmt: skip
    if tenant:
        wanted = wanted.where(_s.tenant == tenant)
    return [
        Silence(name, whose, tuple(Matcher(*one) for one in matchers), *rest)
        for name, whose, matchers, *rest in connection.execute(wanted)
    ]


def silence(connection: Connection, one: Silence) -> None:
    """Begin it, or change it. Raises TooLarge."""
    _fits(alertbounds.silence(one))
    row = {
        "tenant": one.tenant,
        "id": one.id,
        "matchers": [(m.name, m.op, m.value) for m in one.matchers],
        "starts_ns": one.starts_ns,
        "ends_ns": one.ends_ns,
        "updated_ns": one.updated_ns,
        "author": one.author,
        "comment": one.comment,
    }
    put(connection, SILENCES, [row])
    _bound(connection, SILENCES, one.tenant, limits.SILENCES_PER_TENANT)


def rules(connection: Connection) -> list[RuleText]:
    """Of all tenants, by folder and group."""
    wanted = select(RULE_TEXTS).order_by(_r.tenant, _r.folder, _r.name)
    return [RuleText(*row) for row in connection.execute(wanted)]


def put_rules(connection: Connection, one: RuleText) -> None:
    """Begin a group, or replace it. Raises TooLarge."""
    _fits(alertbounds.rule_text(one))
    row = {
        "tenant": one.tenant,
        "folder": one.folder,
        "name": one.group,
        "text": one.text,
        "updated_ns": one.updated_ns,
    }
    put(connection, RULE_TEXTS, [row])
    _bound(connection, RULE_TEXTS, one.tenant, limits.RULE_TEXTS_PER_TENANT)


def delete_rules(connection: Connection, tenant: str, folder: str, group: str) -> int:
    """A group, or all of a folder; how many there were."""
    those = delete(RULE_TEXTS).where(_r.tenant == tenant, _r.folder == folder)
    if group:
        those = those.where(_r.name == group)
    return connection.execute(those).rowcount


def sweep(connection: Connection, before_ns: int) -> None:
    """Silences that ended before then."""
    connection.execute(delete(SILENCES).where(_s.ends_ns < before_ns))


def _fits(reason: str) -> None:
    if reason:
        raise TooLarge(reason, "alerts")


def _bound(connection: Connection, table: Table, tenant: str, bound: int) -> None:
    counted = select(func.count()).select_from(table).where(table.c.tenant == tenant)
    if (count := connection.execute(counted).scalar_one()) > bound:
        raise TooLarge(f"a tenant would have {count} {table.name}, more than {bound}", "alerts")
