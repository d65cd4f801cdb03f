"""How many bytes each table has on disk."""

from __future__ import annotations

from tailrace.store.engine import Engine


async def table_bytes(engine: Engine) -> dict[str, int]:
    """By table, also parts that were merged and go in a moment. Raises StoreError."""
    found = await engine.rows(
        "SELECT table, sum(bytes_on_disk) FROM system.parts "
        "WHERE database = currentDatabase() GROUP BY table ORDER BY table"
    )
    return {str(table): int(size) for table, size in found}
