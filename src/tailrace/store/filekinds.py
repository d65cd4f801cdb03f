"""What files of the archive hold, by signal: their columns, their order, and what is asked of them
for equality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tailrace.core.frame import Signal
from tailrace.store import schema, sql

_BY_SERVICE = "Tenant, ServiceName, Timestamp"


class FileKind(NamedTuple):
    """`columns` with their types, the `order` of a packed file, the columns that have `blooms`
    there, what it is called, and whether its rows have a service."""

    columns: Sequence[str]
    order: str
    blooms: frozenset[str]
    name: str
    services: bool = True

    @property
    def names(self) -> str:
        """Of the columns, for a SELECT."""
        return ", ".join(column.split(" ", 1)[0] for column in self.columns)

    def source(self, path: str | Path) -> str:
        """What stands after FROM for a file, or several in braces."""
        structure = ", ".join(column.split(" CODEC", 1)[0] for column in self.columns)
        return f"file({sql.text(str(path))}, Parquet, {sql.text(structure)})"


FILE_KINDS: Mapping[Signal, FileKind] = {
    Signal.LOGS: FileKind(
        schema.LOGS_COLUMNS, _BY_SERVICE, frozenset({"TraceId", "ServiceName"}), "logs"
    ),
    Signal.SPANS: FileKind(
        schema.SPANS_COLUMNS, _BY_SERVICE, frozenset({"TraceId", "ServiceName"}), "spans"
    ),
    Signal.METRICS: FileKind(
        (*schema.SAMPLES_COLUMNS, *schema.SERIES_COLUMNS),
        "Tenant, MetricName, Fingerprint, Timestamp",
        frozenset({"MetricName"}),
        "samples",
        services=False,
    ),
}
