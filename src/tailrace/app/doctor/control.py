"""The control store's file, looked at in a copy: to open it is to write beside it."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tailrace.app.doctor.finding import Finding, Place, note, wrong
from tailrace.governance.database import NAME
from tailrace.governance.schema import MIGRATIONS

_PART = "control"


def look(place: Place) -> Iterator[Finding]:
    """Raises OSError."""
    if place.config.server.control:
        yield note(_PART, "a database has the control store", "it is not looked at here")
        return
    if not (place.data / "control" / NAME).exists():
        return
    try:
        with copied(place) as connection:
            said = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(10)")]
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error as error:
        said, version = [str(error)], 0
    if said != ["ok"]:
        yield wrong(
            _PART,
            f"{place.data / 'control' / NAME} is damaged: {said[0]}",
            "a server sets it aside and begins without tokens, keys, silences and rules of the API",
            "restore a backup before one starts",
        )
    if version > len(MIGRATIONS):
        yield wrong(
            _PART,
            f"the control store is of a newer tailrace (schema {version}; {len(MIGRATIONS)} known)",
            "no server of this version starts, and nothing in it is changed",
            "use the version that wrote it",
        )


@contextmanager
def copied(place: Place) -> Iterator[sqlite3.Connection]:
    """The store in a copy. Raises sqlite3.Error, OSError."""
    with tempfile.TemporaryDirectory(prefix="tailrace-doctor-") as folder:
        for suffix in ("", "-wal"):
            path = place.data / "control" / f"{NAME}{suffix}"
            if path.exists():
                shutil.copyfile(path, Path(folder) / path.name)
        with closing(sqlite3.connect(Path(folder) / NAME, isolation_level=None)) as connection:
            yield connection
