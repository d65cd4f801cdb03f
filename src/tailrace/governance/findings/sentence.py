"""A finding in one sentence: who logs what, where, how often, since when."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from tailrace.core.finding import Place
from tailrace.governance.findings.known import Known
from tailrace.governance.findings.place import OTHERS

_NAME = re.compile(r"[\w.\-/@:\[\]]+")


def sentence(known: Known, titles: Mapping[str, str], now_ns: int) -> str:
    """Such as "payments 2.4.1 logs card numbers at billing.py:88, 1,200 an hour, first seen 14:02".

    `titles` has words for a detector. Times are UTC, with the day when that is another one.
    """
    place = known.finding.place
    what = titles.get(place.detector, place.detector)
    approved = "approved " if place.action == "approved" else ""
    often = f"{known.hits_last_hour:,} an hour" if known.hits_last_hour else "not in the last hour"
    first = _time(known.finding.first_ns, now_ns)
    where = _where(place)
    return f"{_who(place)} logs {approved}{what}{where}, {often}, first seen {first}"


def _who(place: Place) -> str:
    if place.service == OTHERS:
        return "another service"
    return " ".join(filter(None, (place.service or "a service without a name", place.version)))


def _where(place: Place) -> str:
    if place.code:
        return f" at {place.code}"
    if place.field == OTHERS:
        return " in other places"
    if not place.field:
        return ""
    if _NAME.fullmatch(place.field):
        return f" in the field {place.field}"
    return f" in lines like '{place.field}'"


def _time(at_ns: int, now_ns: int) -> str:
    at, now = (datetime.fromtimestamp(ns // 10**9, UTC) for ns in (at_ns, now_ns))
    return f"{at:%H:%M}" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M}"
