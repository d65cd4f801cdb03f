"""The hot tables: parts, their version, and what the engine has set aside."""

from __future__ import annotations

from collections.abc import Iterator

from tailrace.app.doctor.finding import Finding, Place, wrong
from tailrace.core.errors import StoreError
from tailrace.store import schema
from tailrace.store.checkup import Checkup

_PART = "store"


def look(place: Place) -> Iterator[Finding]:
    """What needs no engine. Raises OSError."""
    for path in sorted((place.data / "store" / "tables").glob("store/*/*/detached/*/")):
        yield wrong(
            _PART,
            f"{path} was set aside by the engine, since it is broken",
            "no query answers from its rows",
            "restore a backup, or read them from the archive; then remove it",
        )


def checked(checkup: Checkup) -> Iterator[Finding]:
    """What the engine finds. Raises StoreError."""
    version = checkup.version()
    if version > schema.NEWEST:
        yield wrong(
            _PART,
            f"the tables are of a newer tailrace (schema {version}; {schema.NEWEST} is known)",
            "no server of this version starts, and nothing in it is changed",
            "use the version that wrote it",
        )
    for part in checkup.parts():
        if part.why:
            rows = f", {part.rows:,} rows" if part.rows else ""
            yield wrong(
                _PART,
                f"the part {part.name} of {part.table}{rows} is broken: {part.why}",
                "queries that read it fail or leave its rows out",
                "restore a backup; what is archived answers with exact=archive meanwhile",
            )


def refused(error: StoreError) -> Finding:
    """The engine does not open it."""
    return wrong(
        _PART,
        f"the engine does not open the tables: {error}",
        "no server starts",
        "restore a backup",
    )
