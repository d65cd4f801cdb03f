"""Rows of one file of the archive, for who reads it without the server."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

from tailrace.core.bounds import Terms
from tailrace.core.frame import Signal
from tailrace.store import sql
from tailrace.store.engine import Engine
from tailrace.store.filekinds import FILE_KINDS
from tailrace.store.reading import Wanted

# A file is read as long as it takes. Paths are of descriptors, which are used again for others.
_TERMS = Terms(
    timeout_s=86_400.0,
    settings={
        "use_parquet_metadata_cache": 0,
        "output_format_json_quote_64bit_integers": 0,
        "date_time_output_format": "iso",
    },
)


async def whole_rows(engine: Engine, signal: Signal, path: Path) -> int:
    """How many rows a file has, each of them decoded. Raises StoreError for one that cannot be."""
    kind = FILE_KINDS[signal]
    [(rows, _)] = await engine.rows(
        f"SELECT count(), sum(cityHash64({kind.names})) FROM {kind.source(path)}", terms=_TERMS
    )
    return int(rows)


def rows_as_json(
    engine: Engine, signal: Signal, path: Path, wanted: Wanted, service: str, most: int
) -> AsyncGenerator[bytes, None]:
    """Lines of JSON, of rows of the time that is wanted; of a service, or "" for all, and at most
    so many, or 0 for all. Raises StoreError."""
    kind = FILE_KINDS[signal]
    start_ns, end_ns = max(wanted.start_ns, 0), wanted.end_ns
    where = f"Timestamp >= {sql.moment(start_ns)} AND Timestamp <= {sql.moment(end_ns)}"
    if service:
        where += f" AND ServiceName = {sql.text(service)}"
    limit = f" LIMIT {most}" if most else ""
    return engine.raw(
        f"SELECT {kind.names} FROM {kind.source(path)} WHERE {where}{limit}",
        terms=_TERMS,
        form="JSONEachRow",
    )
