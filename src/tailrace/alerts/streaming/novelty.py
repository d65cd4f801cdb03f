"""Which errors of a look are new. Pure: the same goes in, the same comes out.

A statement is new when nothing is known of it and its service has been known for longer than the
time of learning. Each that is not known is remembered from here on, new or not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tailrace.core.errorpatterns import Remembered, id_of
from tailrace.core.limits import ERROR_PATTERN_AGAIN_S
from tailrace.query.patterns.errors import Errors, Lines

_AGAIN_NS = int(ERROR_PATTERN_AGAIN_S * 1e9)


class New(NamedTuple):
    """A statement that its service never logged before."""

    service: str
    statement: str
    lines: Lines


@dataclass
class Novelty:
    """What is to be told, and what is to be remembered with it."""

    new: list[New] = field(default_factory=list)
    seen: list[Remembered] = field(default_factory=list)


def ids(errors: Errors) -> Collection[str]:
    """What has to be known to judge."""
    services = {*errors.services, *(service for service, _ in errors.found)}
    return {*map(id_of, services), *(id_of(*key) for key in errors.found)}


def novelty(
    tenant: str, errors: Errors, known: Mapping[str, Remembered], now_ns: int, learning_ns: int
) -> Novelty:
    """`learning_ns`: so long after its first line nothing of a service is new."""
    found = Novelty()
    began: dict[str, int] = {}
    for service in sorted({*errors.services, *(service for service, _ in errors.found)}):
        first_ns = min(errors.services.get(service, now_ns), now_ns)
        one = Remembered(tenant, id_of(service), service, first_ns, now_ns)
        began[service] = _see(found, one, known).first_ns
    for (service, statement), lines in errors.found.items():
        one = Remembered(tenant, id_of(service, statement), service, now_ns, now_ns)
        if _see(found, one, known) is one and now_ns - began[service] >= learning_ns:
            found.new.append(New(service, statement, lines))
    return found


def _see(found: Novelty, one: Remembered, known: Mapping[str, Remembered]) -> Remembered:
    """What is known of it; `one` where that is nothing."""
    before = known.get(one.id)
    if before is None or one.last_ns - before.last_ns >= _AGAIN_NS:
        found.seen.append(one)
    return before or one
