"""The engine's directory looked at by the engine, and nothing in it changed.

The engine opens a folder of symbolic links to the files of the tables, somewhere else, where it
merges nothing; what it sets aside as broken is set aside there. To tell a broken block's cause it
may think for a minute.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from clickhouse_connect.driver.exceptions import ClickHouseError

from tailrace.core import limits
from tailrace.core.errors import StoreError
from tailrace.store import frozen, schema, sql
from tailrace.store.connections import connections
from tailrace.store.engine import configuration
from tailrace.store.statement import store_error

_KEEP = """<max_suspicious_broken_parts>1000000</max_suspicious_broken_parts>
    <max_suspicious_broken_parts_bytes>1000000000000000</max_suspicious_broken_parts_bytes>
    <max_bytes_to_merge_at_max_space_in_pool>1</max_bytes_to_merge_at_max_space_in_pool>
    <max_bytes_to_merge_at_min_space_in_pool>1</max_bytes_to_merge_at_min_space_in_pool>
  </merge_tree>"""
_STAGE = "hot"


class Part(NamedTuple):
    """A part of a table. `why`: what is wrong with it, in the engine's words, or ""."""

    table: str
    name: str
    rows: int
    why: str


class Checkup:
    """Of the engine in `directory`, which nobody runs. Blocking; a context manager."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._place = tempfile.TemporaryDirectory(prefix="tailrace-doctor-")
        self._clients: list[Any] = []

    def __enter__(self) -> Self:
        """Raises StoreError where the engine does not open it, OSError."""
        try:
            self._open(Path(self._place.name))
        except BaseException:
            self._place.cleanup()
            raise
        return self

    def _open(self, place: Path) -> None:
        tables = place / "tables"
        path, leads = frozen.link(self._directory)
        (tables / path).parent.mkdir(parents=True)
        (tables / path).symlink_to(leads)
        for file in frozen.files(self._directory, frozen=False):
            target = tables / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(file.now.resolve())
        config = place / "engine.xml"
        text = configuration(limits.ENGINE_MEMORY_BYTES)
        config.write_text(text.replace("</merge_tree>", _KEEP))
        try:
            self._clients = connections(f"{tables}?config-file={config}", 2)
        except ClickHouseError as error:
            why = str(store_error(error)).rpartition("Failed to create connection: ")[2]
            raise StoreError(why) from None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for client in self._clients:
            client.close()
        self._place.cleanup()

    def version(self) -> int:
        """Number of the last migration, 0 of a directory without tables. Raises StoreError."""
        if not self._rows("SELECT 1 FROM system.tables WHERE name = 'migrations'"):
            return 0
        return int(self._rows("SELECT max(Version) FROM migrations")[0][0])

    def parts(self) -> Iterator[Part]:
        """Every part, read whole. Raises StoreError."""
        for table, name in self._rows(
            "SELECT table, name FROM system.detached_parts "
            "WHERE database = currentDatabase() ORDER BY table, name"
        ):
            yield Part(str(table), str(name), 0, "it is not whole")
        found = self._rows(
            "SELECT table, name, rows FROM system.parts WHERE active "
            "AND database = currentDatabase() ORDER BY table, name"
        )
        for table, name, rows in found:
            yield Part(str(table), str(name), int(rows), self._why(str(table), str(name)))

    def _why(self, table: str, name: str) -> str:
        try:
            said = self._clients[0].command(
                f"CHECK TABLE {table} PART {sql.text(name)} "
                "SETTINGS check_query_single_value_result = 0"
            )
        except ClickHouseError as error:
            return str(store_error(error))
        _, passed, message = [*map(str, said), "", "", ""][:3]
        return "" if passed == "1" else message or "it fails its checksums"

    def recorded(self) -> Mapping[str, int]:
        """Rows of the hot lane's frames by the day that they came in, as they were recorded. Raises
        StoreError."""
        return self._days(
            "SELECT toString(toDate(fromUnixTimestamp64Nano(ReceivedNs, 'UTC'))), sum(Rows) "
            f"FROM frames WHERE Stage = {sql.text(_STAGE)} GROUP BY 1"
        )

    def stored(self) -> Mapping[str, int]:
        """Rows that the hot tables have, by the day that they came in. Raises StoreError."""
        counts = " UNION ALL ".join(
            f"SELECT toString(toDate(IngestTime, 'UTC')) AS day, count() AS rows FROM {table} "
            "GROUP BY day"
            for table in schema.HOT_TABLES.values()
        )
        return self._days(f"SELECT day, sum(rows) FROM ({counts}) GROUP BY day")

    def _days(self, statement: str) -> Mapping[str, int]:
        return {str(day): int(rows) for day, rows in self._rows(statement)}

    def _rows(self, statement: str) -> list[tuple[Any, ...]]:
        try:
            return list(self._clients[0].query(statement).result_rows)
        except ClickHouseError as error:
            raise store_error(error) from None
