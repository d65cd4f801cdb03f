"""Whether the rows of loads are there once: as a query counts them, and in the archive."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from loads import Load
from running import Server

from tailrace.core.frame import Lane
from tailrace.store.manifest import Manifest

SHOWN = 5
POLL_S = 0.1


def await_once(server: Server, loads: Sequence[Load], timeout_s: float = 60.0) -> None:
    """Wait until a query counts every acknowledged row, then see that it counts them once."""
    acked, unsure = _rows(loads, Lane.BULK)
    deadline = time.monotonic() + timeout_s
    found: dict[str, int] = {}
    for services, wanted in _pages(acked, unsure).items():
        here: dict[str, int] = {}
        while _missing(here := server.counts(services), wanted) and time.monotonic() < deadline:
            time.sleep(POLL_S)
        found |= here
    _check("queried", found, acked, unsure)


def check_archive(archive: Path, loads: Sequence[Load]) -> None:
    """See that the files the manifest names hold every acknowledged row once."""
    acked, unsure = _rows(loads, Lane.HOT)
    manifest = Manifest(archive / "manifest")
    rows = pa.concat_tables(
        pq.read_table(archive / path, columns=["ServiceName", "Body"], partitioning=None)
        for path in sorted(manifest.paths())
        if not path.startswith("metrics/")
    )
    services = rows.group_by("ServiceName").aggregate(
        [([], "count_all"), ("Body", "count_distinct")]
    )
    found: dict[str, int] = {}
    for one in services.to_pylist():
        found[one["ServiceName"]] = one["count_all"]
        assert one["Body_count_distinct"] == one["count_all"], f"archived twice: {one}"
    files = manifest.listing.files()
    assert len(rows) == sum(file.rows for file in files if not file.path.startswith("metrics/"))
    _check("archived", found, acked, unsure)


def _rows(loads: Iterable[Load], but: Lane) -> tuple[dict[str, int], dict[str, int]]:
    """Rows by service: acknowledged, and sent without an answer."""
    acked: dict[str, int] = {}
    unsure: dict[str, int] = {}
    for load in loads:
        for requests, into in ((load.acked, acked), (load.unsure, unsure)):
            for request in requests:
                if request.lane is not but:
                    into.update(request.rows)
    return acked, unsure


def _pages(acked: dict[str, int], unsure: dict[str, int]) -> dict[str, dict[str, int]]:
    """Acknowledged rows by a regex for their services, which matches 1,000 services at most.

    A query answers with QUERY_SERIES (2,000) at most.
    """
    pages: dict[str, dict[str, int]] = {f"{service[:-3]}...": {} for service in unsure}
    for service, rows in acked.items():
        pages.setdefault(f"{service[:-3]}...", {})[service] = rows
    return pages


def _missing(found: dict[str, int], wanted: dict[str, int]) -> bool:
    return any(found.get(service, 0) < rows for service, rows in wanted.items())


def _check(how: str, found: dict[str, int], acked: dict[str, int], unsure: dict[str, int]) -> None:
    """Frames that were not acknowledged may be there whole, or not at all."""
    wrong = {
        service: (found.get(service, 0), acked.get(service), unsure.get(service))
        for service in acked.keys() | unsure.keys() | found.keys()
        if found.get(service, 0) not in _allowed(service, acked, unsure)
    }
    lost = sum(rows - found.get(service, 0) for service, rows in acked.items())
    assert not wrong, (
        f"{how}: {lost} rows fewer than acknowledged; {len(wrong)} of {len(acked)} services are "
        f"wrong, such as (found, acked, unsure) {dict(sorted(wrong.items())[:SHOWN])}"
    )


def _allowed(service: str, acked: dict[str, int], unsure: dict[str, int]) -> tuple[int, ...]:
    if service in acked:
        return (acked[service],)
    return (0, unsure.get(service, 0))
