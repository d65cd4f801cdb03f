"""Tables and their numbered migrations.

The logs table keeps the column names of the OpenTelemetry ClickHouse exporter, and adds
Tenant, IngestTime, HostName, Weight, Source, Epoch and Seq. Why this order, these codecs and
this index: docs/adr/0002-logs-table.md.
"""

from __future__ import annotations

LOGS_COLUMNS = (
    "Tenant LowCardinality(String) CODEC(ZSTD(1))",
    "Timestamp DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1))",
    "IngestTime DateTime64(9, 'UTC') CODEC(Delta(8), ZSTD(1))",
    "TraceId String CODEC(ZSTD(1))",
    "SpanId String CODEC(ZSTD(1))",
    "TraceFlags UInt8 CODEC(ZSTD(1))",
    "SeverityText LowCardinality(String) CODEC(ZSTD(1))",
    "SeverityNumber UInt8 CODEC(ZSTD(1))",
    "ServiceName LowCardinality(String) CODEC(ZSTD(1))",
    "HostName LowCardinality(String) CODEC(ZSTD(1))",
    "Body String CODEC(ZSTD(1))",
    "ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1))",
    "LogAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1))",
    "Weight UInt32 CODEC(ZSTD(1))",
    "Source LowCardinality(String) CODEC(ZSTD(1))",
    "Epoch UInt64 CODEC(ZSTD(1))",
    "Seq UInt64 CODEC(ZSTD(1))",
)
COLUMN_NAMES = tuple(column.split(" ", 1)[0] for column in LOGS_COLUMNS)

# A crash of the machine must not lose what the queue was told to forget, so inserts and merges
# are synced. Old parts would linger 8 minutes and triple the directory.
_DURABLE = (
    "fsync_after_insert=1, fsync_part_directory=1, min_rows_to_fsync_after_merge=1, "
    "old_parts_lifetime=20"
)


def _logs(name: str, indexes: str) -> str:
    columns = ",\n  ".join(LOGS_COLUMNS)
    return (
        f"CREATE TABLE IF NOT EXISTS {name} (\n  {columns}{indexes}\n) ENGINE = MergeTree\n"
        "PARTITION BY toDate(Timestamp)\n"
        "ORDER BY (Tenant, ServiceName, HostName, Timestamp)\n"
        f"SETTINGS {_DURABLE}"
    )


LOGS_DDL = _logs(
    "logs",
    ",\n  INDEX body_tokens Body TYPE tokenbf_v1(32768, 3, 0) GRANULARITY 1"
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
