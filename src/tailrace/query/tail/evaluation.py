"""One batch of rows through every query that is followed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tailrace.core import log
from tailrace.query.logs.entries import Entry
from tailrace.query.tail.group import Group, Passed
from tailrace.query.tail.outlet import Key
from tailrace.query.tail.parcel import Parcel, parcels
from tailrace.query.tail.rows import Origin, Origins, metadata

_log = log.get("tail")


@dataclass(frozen=True)
class Read:
    """The rows of one frame."""

    tenant: str
    key: Key
    rows: Sequence[Sequence[Any]]


@dataclass
class _Seen:
    """One row and what was found out of it so far."""

    row: Sequence[Any]
    origin: Origin
    key: Key
    metadata: Mapping[str, str] | None = None


def evaluate(
    read: Sequence[Read], forms: Mapping[Group, frozenset[bool]], now_ns: int
) -> dict[Group, dict[bool, list[Parcel]]]:
    """Messages for each group, in each of its forms.

    A query that fails on a row loses the rest of the batch, and is not followed by others' loss.
    """
    origins = Origins()
    seen: dict[str, list[_Seen]] = {}
    for frame in read:
        rows = seen.setdefault(frame.tenant, [])
        rows.extend(_Seen(row, origins.of(row), frame.key) for row in frame.rows)
    found: dict[Group, dict[bool, list[Parcel]]] = {}
    for group, wanted in forms.items():
        passed: list[Passed] = []
        try:
            _through(group, seen.get(group.tenant, ()), passed)
        except Exception as error:
            _log.error("a followed query failed on a row", extra={"error": type(error).__name__})
        if entries := group.let_go(passed, now_ns):
            found[group] = {form: list(parcels(entries, form)) for form in wanted}
    return found


def _through(group: Group, rows: Sequence[_Seen], passed: list[Passed]) -> None:
    taken: dict[int, bool] = {}
    selector, process = group.selector, group.pipeline.process
    for one in rows:
        # Origins live as long as the rows do.
        place = id(one.origin)
        if place not in taken:
            taken[place] = selector.takes_stream(one.origin)
        if not taken[place] or not selector.takes_row(one.row):
            continue
        if one.metadata is None:
            one.metadata = metadata(one.row)
        time_ns = one.row[0]
        row = process(time_ns, one.row[1], one.origin.labels, one.metadata)
        if row is not None:
            passed.append((Entry.of(time_ns, row), one.key))
