"""Tables and their numbered migrations.

The logs table keeps the column names of the OpenTelemetry ClickHouse exporter, and adds
Tenant, IngestTime, HostName, Weight, Source, Epoch and Seq. Compression is the engine's default:
LZ4 for small parts, ZSTD from `engine.py`'s size on. Why this order, these codecs and these
indexes: docs/adr/0003-logs-table.md.
"""

from __future__ import annotations

LOGS_COLUMNS = (
    "Tenant LowCardinality(String)",
    "Timestamp DateTime64(9, 'UTC') CODEC(Delta(8), Default)",
    "IngestTime DateTime64(9, 'UTC') CODEC(Delta(8), Default)",
    "TraceId String",
    "SpanId String",
    "TraceFlags UInt8",
    "SeverityText LowCardinality(String)",
    "SeverityNumber UInt8",
    "ServiceName LowCardinality(String)",
    "HostName LowCardinality(String)",
    "Body String",
    "ResourceAttributes Map(LowCardinality(String), String)",
    "LogAttributes Map(LowCardinality(String), String)",
    "Weight UInt32",
    "Source LowCardinality(String)",
    "Epoch UInt64",
    "Seq UInt64",
)
COLUMN_NAMES = tuple(column.split(" ", 1)[0] for column in LOGS_COLUMNS)

# A crash of the machine must not lose what the queue was told to forget, so inserts and merges
# are synced. Old parts would linger 8 minutes and triple the directory.
_DURABLE = (
    "fsync_after_insert=1, fsync_part_directory=1, min_rows_to_fsync_after_merge=1, "
    "old_parts_lifetime=20, cleanup_delay_period=10, cleanup_delay_period_random_add=2, "
    "max_cleanup_delay_period=20"
)


# The day of the event. Times far from now share a day, so that a frame of nonsense cannot make a
# partition of every row; DAYS_OLD and DAYS_AHEAD bound the partitions of one insert.
DAYS_OLD, DAYS_AHEAD = 60, 2
_PARTITION = (
    f"toDate(least(greatest(Timestamp, IngestTime - toIntervalDay({DAYS_OLD})), "
    f"IngestTime + toIntervalDay({DAYS_AHEAD})))"
)


def _logs(name: str, indexes: str) -> str:
    columns = ",\n  ".join(LOGS_COLUMNS)
    return (
        f"CREATE TABLE IF NOT EXISTS {name} (\n  {columns}{indexes}\n) ENGINE = MergeTree\n"
        f"PARTITION BY {_PARTITION}\n"
        "ORDER BY (Tenant, ServiceName, Timestamp)\n"
        f"SETTINGS {_DURABLE}"
    )


# Built when parts are merged, not when they are inserted: a fresh part is small and soon merged.
LATE_INDEXES = ("body_grams",)
LOGS_DDL = _logs(
    "logs",
    ",\n  INDEX body_grams Body TYPE ngrambf_v1(5, 32768, 1, 0) GRANULARITY 1"
    ",\n  INDEX trace_id TraceId TYPE bloom_filter(0.01) GRANULARITY 1"
    ",\n  INDEX ingest_time IngestTime TYPE minmax GRANULARITY 1",
)

# Rows of bulk-only frames on their way to the archive; emptied after each archive step.
BULK_DDL = _logs("bulk_rows", "")

# One row for each frame that a table holds: the writer's memory of what it stored.
FRAMES_DDL = f"""CREATE TABLE IF NOT EXISTS frames (
  Stage LowCardinality(String), Tenant LowCardinality(String), Source String, Epoch UInt64,
  Seq UInt64, Rows UInt64, Bytes UInt64, Checksum UInt64, ReceivedNs Int64,
  Segment UInt64, Offset UInt64
) ENGINE = MergeTree ORDER BY (Tenant, Source, Epoch, Seq)
SETTINGS {_DURABLE}"""

MIGRATIONS: tuple[tuple[int, tuple[str, ...]], ...] = ((1, (LOGS_DDL, BULK_DDL, FRAMES_DDL)),)
NEWEST = MIGRATIONS[-1][0]
