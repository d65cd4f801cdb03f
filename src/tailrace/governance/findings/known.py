"""Findings as they are read back; see ../schema.py for the tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, and_, func, select

from tailrace.core.finding import Finding, Place
from tailrace.governance.schema import FINDING_HOURS, FINDING_SPANS, FINDINGS, PLACE_FIELDS

HOUR_NS = 3_600 * 10**9
_c = FINDINGS.c
ALERTS: ColumnElement[bool] = _c.alerted_ns > 0


class Known(msgspec.Struct, frozen=True):
    """One of the table. `hits_last_hour` begins with a span of five minutes, so it is of 55 to 60
    minutes. `alerted_ns` is 0 when it does not alert."""

    id: str
    finding: Finding
    hits_last_hour: int
    alerted_ns: int
    over_ns: int


class Wanted(msgspec.Struct, frozen=True):
    """Which are listed: hit since then, and equal in what is not ""."""

    since_ns: int = 0
    service: str = ""
    detector: str = ""
    environment: str = ""
    alerting: bool | None = None


def listed(
    connection: Connection, tenant: str, wanted: Wanted, now_ns: int, limit: int
) -> list[Known]:
    """Those last hit come first."""
    terms = [_c.tenant == tenant, _c.last_ns >= wanted.since_ns]
    equal = {name: getattr(wanted, name) for name in ("service", "detector", "environment")}
    terms += [_c[name] == text for name, text in equal.items() if text]
    if wanted.alerting is not None:
        terms.append(_c.alerted_ns > 0 if wanted.alerting else _c.alerted_ns == 0)
    found = _selected(now_ns).where(and_(*terms)).order_by(_c.last_ns.desc(), _c.id).limit(limit)
    return [_known(row) for row in connection.execute(found)]


def one(
    connection: Connection, tenant: str, finding_id: str, now_ns: int
) -> tuple[Known, dict[int, int]] | None:
    """A finding of `tenant`, and its hits by the start of each hour that had any, in order."""
    this = and_(_c.tenant == tenant, _c.id == finding_id)
    row = connection.execute(_selected(now_ns).where(this)).one_or_none()
    if row is None:
        return None
    of = FINDING_HOURS.c
    hours = select(of.start_ns, of.hits).where(of.finding == finding_id).order_by(of.start_ns)
    return _known(row), {start_ns: hits for start_ns, hits in connection.execute(hours)}


def those(
    connection: Connection, terms: Iterable[ColumnElement[bool]], now_ns: int | None = None
) -> list[Known]:
    """All that `terms` of the table's columns describe, in the order of their ids. Without `now_ns`
    the last hour of each ends with its last hit, however late that was written."""
    found = _selected(_c.last_ns if now_ns is None else now_ns).where(*terms).order_by(_c.id)
    return [_known(row) for row in connection.execute(found)]


def _selected(now_ns: int | ColumnElement[int]) -> Any:
    of = FINDING_SPANS.c
    recent = and_(of.finding == _c.id, of.start_ns > now_ns - HOUR_NS)
    hits = select(func.coalesce(func.sum(of.hits), 0)).where(recent).scalar_subquery()
    return select(FINDINGS, hits.label("hits_last_hour"))


def _known(row: Row[Any]) -> Known:
    place = Place(**{name: getattr(row, name) for name in PLACE_FIELDS})
    finding = Finding(place, row.hits, row.first_ns, row.last_ns)
    return Known(row.id, finding, int(row.hits_last_hour), row.alerted_ns, row.over_ns)
