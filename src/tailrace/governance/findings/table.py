"""Writing findings: counts add up whoever writes them, and a batch counts once.

All who write wait for one another (see ../control.py), so what is read here holds until the
transaction ends. A batch that was written, but whose writer never heard so, is known by its number.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec
from sqlalchemy import (
    BindParameter,
    Connection,
    Table,
    and_,
    bindparam,
    case,
    func,
    insert,
    select,
    update,
)

from tailrace.core import limits
from tailrace.core.finding import Place
from tailrace.governance.findings import known
from tailrace.governance.findings.known import HOUR_NS, Known
from tailrace.governance.findings.place import id_of, others, others_of_all
from tailrace.governance.findings.tally import Tally
from tailrace.governance.schema import FINDING_HOURS, FINDING_SPANS, FINDING_WRITERS, FINDINGS

# So many hits in an hour at this place are worth an alert; None for never.
Threshold = Callable[[Place], int | None]
_c = FINDINGS.c


class Batch(msgspec.Struct, frozen=True):
    """What `writer` writes at once. Its batches have rising numbers."""

    writer: str
    number: int
    at_ns: int
    tallies: Mapping[Place, Tally]


class Written(msgspec.Struct, frozen=True):
    """`alerts`: what has reached its threshold and alerts from now on. `joined`: hits that were
    counted with others, because the tenant has too many places."""

    alerts: list[Known]
    joined: int = 0


def write(connection: Connection, batch: Batch, threshold: Threshold) -> Written:
    """Add the batch, unless it was written before; then its alerts are told once more."""
    if not _is_new(connection, batch):
        return Written(known.those(connection, [_c.alerted_ns == batch.at_ns]))
    tallies, joined = _fitted(connection, batch.tallies)
    ids = {place: id_of(place) for place in tallies}
    _add_places(connection, tallies, ids)
    hours: dict[tuple[str, int], int] = {}
    spans: dict[tuple[str, int], int] = {}
    for place, tally in tallies.items():
        for start_ns, hits in tally.spans.items():
            spans[ids[place], start_ns] = hits
            hour = (ids[place], start_ns - start_ns % HOUR_NS)
            hours[hour] = hours.get(hour, 0) + hits
    _add_counts(connection, FINDING_HOURS, hours)
    _add_counts(connection, FINDING_SPANS, spans)
    return Written(_alerts(connection, ids.values(), batch.at_ns, threshold), joined)


def _is_new(connection: Connection, batch: Batch) -> bool:
    w = FINDING_WRITERS.c
    this = w.writer == batch.writer
    last = connection.execute(select(w.number).where(this)).scalar_one_or_none()
    if last is not None and last >= batch.number:
        return False
    said = {"number": batch.number, "at_ns": batch.at_ns}
    if last is None:
        connection.execute(insert(FINDING_WRITERS).values(writer=batch.writer, **said))
    else:
        connection.execute(update(FINDING_WRITERS).where(this).values(said))
    return True


def _fitted(
    connection: Connection, tallies: Mapping[Place, Tally]
) -> tuple[dict[Place, Tally], int]:
    """The tallies by the places where they are kept, and the hits of those joined with others."""
    room = _Room(connection, {id_of(one) for place in tallies for one in (place, others(place))})
    found: dict[Place, Tally] = {}
    joined = 0
    for place, tally in tallies.items():
        kept = room.of(place)
        if kept != place:
            joined += tally.hits
        if kept in found:
            found[kept].add(tally.first_ns, tally.last_ns, tally.spans)
        else:
            # A copy: a batch that fails is written again as it was.
            found[kept] = Tally(tally.first_ns, tally.last_ns, dict(tally.spans))
    return found, joined


class _Room:
    """What the bounds of a tenant leave for places that are new. `ids` of all that may be asked
    for."""

    def __init__(self, connection: Connection, ids: Collection[str]) -> None:
        self._connection = connection
        self._known = _known_ids(connection, ids)
        self._places: dict[str, int] = {}

    def of(self, place: Place) -> Place:
        """Where its hits are kept."""
        wider = others(place)
        if self._fits(place, limits.FINDING_PLACES):
            return place
        if self._fits(wider, limits.FINDING_PLACES + limits.FINDING_SERVICES):
            return wider
        return others_of_all(place)

    def _fits(self, place: Place, bound: int) -> bool:
        name, tenant = id_of(place), place.tenant
        if name in self._known:
            return True
        places = self._counted(tenant)
        if places < bound:
            self._known.add(name)
            self._places[tenant] = places + 1
        return places < bound

    def _counted(self, tenant: str) -> int:
        if tenant not in self._places:
            counted = select(func.count()).select_from(FINDINGS).where(_c.tenant == tenant)
            self._places[tenant] = self._connection.execute(counted).scalar_one()
        return self._places[tenant]


def _known_ids(connection: Connection, ids: Collection[str]) -> set[str]:
    return set(connection.execute(select(_c.id).where(_c.id.in_(list(ids)))).scalars())


def _add_places(
    connection: Connection, tallies: Mapping[Place, Tally], ids: Mapping[Place, str]
) -> None:
    before = _known_ids(connection, ids.values())
    new: list[dict[str, Any]] = []
    more: list[dict[str, Any]] = []
    for place, tally in tallies.items():
        said = {"first_ns": tally.first_ns, "last_ns": tally.last_ns, "hits": tally.hits}
        if ids[place] in before:
            more.append({"this": ids[place], **{f"more_{k}": v for k, v in said.items()}})
        else:
            row = {"id": ids[place], **msgspec.structs.asdict(place), **said}
            new.append({**row, "alerted_ns": 0, "over_ns": 0})
    if new:
        connection.execute(insert(FINDINGS), new)
    if more:
        first: BindParameter[int] = bindparam("more_first_ns")
        last: BindParameter[int] = bindparam("more_last_ns")
        joined = {
            "hits": _c.hits + bindparam("more_hits"),
            "first_ns": case((_c.first_ns > first, first), else_=_c.first_ns),
            "last_ns": case((_c.last_ns < last, last), else_=_c.last_ns),
        }
        connection.execute(update(FINDINGS).where(_c.id == bindparam("this")).values(joined), more)


def _add_counts(
    connection: Connection, table: Table, counts: Mapping[tuple[str, int], int]
) -> None:
    """Add hits to those of a finding from `start_ns` on."""
    c = table.c
    ids, starts = {finding for finding, _ in counts}, [start_ns for _, start_ns in counts]
    near = [c.finding.in_(list(ids)), c.start_ns.between(min(starts), max(starts))]
    found = connection.execute(select(c.finding, c.start_ns).where(*near))
    before = {(finding, start_ns) for finding, start_ns in found}
    new = [
        {"finding": finding, "start_ns": start_ns, "hits": hits}
        for (finding, start_ns), hits in counts.items()
        if (finding, start_ns) not in before
    ]
    more = [
        {"this": finding, "then": start_ns, "more": hits}
        for (finding, start_ns), hits in counts.items()
        if (finding, start_ns) in before
    ]
    if new:
        connection.execute(insert(table), new)
    if more:
        this = and_(c.finding == bindparam("this"), c.start_ns == bindparam("then"))
        connection.execute(update(table).where(this).values(hits=c.hits + bindparam("more")), more)


def _alerts(
    connection: Connection, ids: Collection[str], at_ns: int, threshold: Threshold
) -> list[Known]:
    """Those of `ids` that begin to alert."""
    quiet = known.those(connection, [_c.id.in_(list(ids)), _c.alerted_ns == 0])
    found = [one for one in quiet if reached(one, threshold)]
    if found:
        those = _c.id.in_([one.id for one in found])
        connection.execute(update(FINDINGS).where(those).values(alerted_ns=at_ns, over_ns=at_ns))
    return [msgspec.structs.replace(one, alerted_ns=at_ns, over_ns=at_ns) for one in found]


def reached(one: Known, threshold: Threshold) -> bool:
    """Whether the last hour had as many hits as are worth an alert."""
    enough = threshold(one.finding.place)
    return enough is not None and one.hits_last_hour >= enough
