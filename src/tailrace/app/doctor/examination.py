"""All looks at a data directory, one after another. Nothing in it is changed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from tailrace.app.doctor import agreement, archive, control, places, queue, store
from tailrace.app.doctor.finding import Finding, Look, Place, note, wrong
from tailrace.core import limits
from tailrace.core.errors import StoreError
from tailrace.store.checkup import Checkup

LOOKS: tuple[Look, ...] = (
    places.look,
    queue.look,
    store.look,
    archive.look,
    control.look,
    agreement.look,
)


def examine(place: Place) -> Iterator[Finding]:
    """What is found, of each look at most DOCTOR_FINDINGS. Raises OSError."""
    for look in (*LOOKS, _engine):
        found = look(place)
        yield from islice(found, limits.DOCTOR_FINDINGS)
        if more := sum(1 for _ in found):
            yield note(
                look.__module__.rpartition(".")[2],
                f"{more:,} more like these were found",
                f"only {limits.DOCTOR_FINDINGS} are shown (DOCTOR_FINDINGS)",
                "put these right and look again",
            )


def _engine(place: Place) -> Iterator[Finding]:
    if not (place.data / "store" / "tables" / "metadata" / "default").exists():
        yield from _no_tables(place)
        return
    try:
        with Checkup(place.data / "store") as checkup:
            yield from store.checked(checkup)
            yield from agreement.counted(place, checkup)
    except StoreError as error:
        yield store.refused(error)


def _no_tables(place: Place) -> Iterator[Finding]:
    if (place.data / "queue" / "consumers").is_dir() and (place.data / "store").is_dir():
        yield wrong(
            "store",
            f"{place.data / 'store' / 'tables'} is gone",
            "all rows of the hot tables are gone with it",
            "restore a backup",
        )
