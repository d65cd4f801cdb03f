"""Whether queue, tables, archive and horizon agree."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from tailrace.app.doctor import archive, control, queue
from tailrace.app.doctor.finding import Finding, Place, wrong
from tailrace.core.contracts import Position
from tailrace.core.errors import ConfigError, Corrupt
from tailrace.core.frame import Signal
from tailrace.governance.database import NAME
from tailrace.store.checkup import Checkup
from tailrace.store.horizon import Horizon

_PART = "agreement"


def look(place: Place) -> Iterator[Finding]:
    """What needs no engine. Raises OSError."""
    try:
        upto = archive.manifest_of(place)[0].upto
    except Corrupt:
        return  # archive.py says it
    written = queue.read(place.data / "queue", "writer").position
    if upto > written:
        yield wrong(
            _PART,
            f"the archive reaches {upto.segment}/{upto.offset} of the queue, the writer only "
            f"{written.segment}/{written.offset}",
            "the position of the writer was lost, or the archive belongs to another directory: new "
            "frames at places before that would be taken for archived",
            "check archive.directory; restore a backup if it is the right one",
        )
    try:
        Horizon(place.data / "store" / "horizon").open(upto)
    except Corrupt as error:
        yield wrong(
            _PART,
            str(error).partition(";")[0],
            "nobody knows which rows are to be read from the archive; no server starts",
            "restore the file from a backup",
        )
    except ConfigError:
        yield wrong(
            _PART,
            f"the archive in {place.archive} ends before rows that left the tables for it",
            "those rows are not in it; no server starts",
            "name the right archive.directory, or restore its manifest from a backup",
        )


def counted(place: Place, checkup: Checkup) -> Iterator[Finding]:
    """Rows of each day against what was recorded of its frames. Raises StoreError, OSError."""
    recorded, stored = checkup.recorded(), checkup.stored()
    directory = place.data / "queue"
    written = queue.read(directory, "writer").position
    # Those may be in the tables and not recorded yet.
    ahead = queue.rows_after(directory, written) if directory.is_dir() else 0
    may_be_fewer = _dropped(place)
    for day in sorted({*recorded, *stored}):
        known, there = recorded.get(day, 0), stored.get(day, 0)
        if there > known + ahead:
            yield wrong(
                _PART,
                f"of {day} the tables have {there:,} rows where {known:,} were recorded",
                "some are there twice, or their record is lost",
                "restore a backup if counts of that day matter",
            )
        if there < known and not may_be_fewer:
            yield wrong(
                _PART,
                f"of {day} the tables have {there:,} rows where {known:,} were recorded",
                f"{known - there:,} rows are gone from the tables",
                "restore a backup; what is archived answers with exact=archive",
            )


def _dropped(place: Place) -> bool:
    """Whether rows have left the tables as they should."""
    horizon = Horizon(place.data / "store" / "horizon")
    try:
        horizon.open(Position(2**63, 0))
    except Corrupt:
        return True
    if any(map(horizon.last_ns, Signal)) or place.config.server.control:
        return True
    if not (place.data / "control" / NAME).exists():
        return False
    try:
        with control.copied(place) as connection:
            found = connection.execute("SELECT 1 FROM deletions WHERE place = 'hot' LIMIT 1")
            return found.fetchone() is not None
    except sqlite3.Error:
        return True
