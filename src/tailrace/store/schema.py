"""Tables and their numbered migrations.

The tables of logs and of spans keep the column names of the OpenTelemetry ClickHouse exporter, and
add Tenant, IngestTime, HostName, Weight, Source, Epoch and Seq. Metrics are narrow rows of
`samples`; what a series is called stands once, in `series`. Compression is the engine's default:
LZ4 for small parts, ZSTD from `engine.py`'s size on. Why these orders, codecs and indexes:
docs/adr/0003-logs-table.md and docs/adr/0005-samples-and-series.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tailrace.core.frame import Signal

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


def _rows(name: str, columns: Sequence[str], order: str) -> str:
    inner = ",\n  ".join(columns)
    return (
        f"CREATE TABLE IF NOT EXISTS {name} (\n  {inner}\n) ENGINE = MergeTree\n"
        f"PARTITION BY {_PARTITION}\n"
        f"ORDER BY ({order})\n"
        f"SETTINGS {_DURABLE}"
    )


# Built when parts are merged, not when they are inserted: a fresh part is small and soon merged.
LATE_INDEXES = ("grams", "attribute_values")
# Of four granules together: merges make granules of 2,048 rows (engine.py), and a filter for each
# of those would be as large as for 8,192, see docs/adr/0035-filters-of-four-granules.md.
_GRAMS = "INDEX grams Body TYPE ngrambf_v1(5, 32768, 1, 0) GRANULARITY 4"
_VALUES = "INDEX attribute_values mapValues(LogAttributes) TYPE bloom_filter(0.01) GRANULARITY 4"
_BY_SERVICE = "Tenant, ServiceName, Timestamp"
_INGEST_TIME = "INDEX ingest_time IngestTime TYPE minmax GRANULARITY 1"
LOGS_DDL = _rows(
    "logs",
    (
        *LOGS_COLUMNS,
        _GRAMS,
        _VALUES,
        "INDEX trace_id TraceId TYPE bloom_filter(0.01) GRANULARITY 1",
        _INGEST_TIME,
    ),
    _BY_SERVICE,
)

# Rows of bulk-only frames on their way to the archive; emptied after each archive step.
BULK_DDL = _rows("bulk_rows", LOGS_COLUMNS, _BY_SERVICE)

# One row for each frame that a table holds: the writer's memory of what it stored.
FRAMES_DDL = f"""CREATE TABLE IF NOT EXISTS frames (
  Stage LowCardinality(String), Tenant LowCardinality(String), Source String, Epoch UInt64,
  Seq UInt64, Rows UInt64, Bytes UInt64, Checksum UInt64, ReceivedNs Int64,
  Segment UInt64, Offset UInt64
) ENGINE = MergeTree ORDER BY (Tenant, Source, Epoch, Seq)
SETTINGS {_DURABLE}"""

# Milliseconds, as Prometheus counts: nanoseconds of a jittering clock would double the size.
SAMPLES_COLUMNS = (
    "Tenant LowCardinality(String)",
    "MetricName LowCardinality(String)",
    "Fingerprint UInt64",
    "Timestamp DateTime64(3, 'UTC') CODEC(Delta(8), Default)",
    "Value Float64",
    "IngestTime DateTime64(9, 'UTC') CODEC(Delta(8), Default)",
    "Source LowCardinality(String)",
    "Epoch UInt64",
    "Seq UInt64",
)
SAMPLE_NAMES = tuple(column.split(" ", 1)[0] for column in SAMPLES_COLUMNS)
_BY_SERIES = "Tenant, MetricName, Fingerprint, Timestamp"
SAMPLES_DDL = _rows("samples", (*SAMPLES_COLUMNS, _INGEST_TIME), _BY_SERIES)
BULK_SAMPLES_DDL = _rows("bulk_samples", SAMPLES_COLUMNS, _BY_SERIES)

# What a sample says of its series. Labels follow from the fingerprint, which is their hash.
SERIES_COLUMNS = (
    "Kind LowCardinality(String)",
    "Unit LowCardinality(String)",
    "Labels Map(LowCardinality(String), String)",
)
SERIES_NAMES = tuple(column.split(" ", 1)[0] for column in SERIES_COLUMNS)
# FirstSeen and LastSeen are the starts of hours, so that a series costs a row an hour at most.
SERIES_DDL = f"""CREATE TABLE IF NOT EXISTS series (
  Tenant LowCardinality(String), MetricName LowCardinality(String), Fingerprint UInt64,
  Kind SimpleAggregateFunction(anyLast, LowCardinality(String)),
  Unit SimpleAggregateFunction(anyLast, LowCardinality(String)),
  Labels Map(LowCardinality(String), String),
  FirstSeen SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
  LastSeen SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
) ENGINE = AggregatingMergeTree ORDER BY (Tenant, MetricName, Fingerprint)
SETTINGS {_DURABLE}, allow_dimensions_outside_sorting_key=1"""


METRICS_DDL = (SAMPLES_DDL, BULK_SAMPLES_DDL, SERIES_DDL)

# Columns and values of the exporter's otel_traces; arrays with a dot in their name are nested, of
# one length. Attributes and names are what people name, so few.
SPANS_COLUMNS = (
    "Tenant LowCardinality(String)",
    "Timestamp DateTime64(9, 'UTC') CODEC(Delta(8), Default)",
    "IngestTime DateTime64(9, 'UTC') CODEC(Delta(8), Default)",
    "TraceId String",
    "SpanId String",
    "ParentSpanId String",
    "TraceState String",
    "SpanName LowCardinality(String)",
    "SpanKind LowCardinality(String)",
    "ServiceName LowCardinality(String)",
    "HostName LowCardinality(String)",
    "ResourceAttributes Map(LowCardinality(String), String)",
    "ScopeName LowCardinality(String)",
    "ScopeVersion LowCardinality(String)",
    "SpanAttributes Map(LowCardinality(String), String)",
    "Duration UInt64",
    "StatusCode LowCardinality(String)",
    "StatusMessage String",
    "`Events.Timestamp` Array(DateTime64(9, 'UTC'))",
    "`Events.Name` Array(LowCardinality(String))",
    "`Events.Attributes` Array(Map(LowCardinality(String), String))",
    "`Links.TraceId` Array(String)",
    "`Links.SpanId` Array(String)",
    "`Links.TraceState` Array(String)",
    "`Links.Attributes` Array(Map(LowCardinality(String), String))",
    "Weight UInt32",
    "Source LowCardinality(String)",
    "Epoch UInt64",
    "Seq UInt64",
)
SPAN_NAMES = tuple(column.split(" ", 1)[0].strip("`") for column in SPANS_COLUMNS)
SPANS_DDL = _rows(
    "spans",
    (
        *SPANS_COLUMNS,
        "INDEX trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1",
        "INDEX duration Duration TYPE minmax GRANULARITY 1",
        _INGEST_TIME,
    ),
    _BY_SERVICE,
)
BULK_SPANS_DDL = _rows("bulk_spans", SPANS_COLUMNS, _BY_SERVICE)

# Nanoseconds, unlike samples: they are few, and each is a moment within a span.
EXEMPLARS_COLUMNS = (
    "Tenant LowCardinality(String)",
    "MetricName LowCardinality(String)",
    "Fingerprint UInt64",
    "Timestamp DateTime64(9, 'UTC') CODEC(Delta(8), Default)",
    "Value Float64",
    "TraceId String",
    "SpanId String",
    "Attributes Map(LowCardinality(String), String)",
    "IngestTime DateTime64(9, 'UTC') CODEC(Delta(8), Default)",
    "Source LowCardinality(String)",
    "Epoch UInt64",
    "Seq UInt64",
)
EXEMPLAR_NAMES = tuple(column.split(" ", 1)[0] for column in EXEMPLARS_COLUMNS)
EXEMPLARS_DDL = _rows("exemplars", (*EXEMPLARS_COLUMNS, _INGEST_TIME), _BY_SERIES)
ARRIVING_EXEMPLARS = (
    "Array(Tuple(time Int64, value Float64, trace_id String, span_id String, "
    "attributes Map(LowCardinality(String), String)))"
)


def _arriving(table: str) -> tuple[str, str]:
    """Decoded samples of one insert, before they are parted into series, exemplars and samples.

    It is empty between two inserts, so a newer form of it takes its place.
    """
    columns = ", ".join(
        column.split(" CODEC", 1)[0] for column in (*SAMPLES_COLUMNS, *SERIES_COLUMNS)
    )
    return (
        f"DROP TABLE IF EXISTS arriving_{table}",
        f"CREATE TABLE arriving_{table} ({columns}, Exemplars {ARRIVING_EXEMPLARS}) "
        "ENGINE = Memory SETTINGS compress=1",
    )


TRACES_DDL = (
    SPANS_DDL,
    BULK_SPANS_DDL,
    EXEMPLARS_DDL,
    *_arriving("samples"),
    *_arriving("bulk_samples"),
)
# Where rows of each signal are that queries read.
HOT_TABLES: Mapping[Signal, str] = {
    Signal.LOGS: "logs",
    Signal.SPANS: "spans",
    Signal.METRICS: "samples",
}
# Of tables that were made before `grams` and `attribute_values`: parts that are there get them in
# the background, and until then are read whole.
INDEXES_5 = (
    "ALTER TABLE logs DROP INDEX IF EXISTS body_grams",
    *(
        f"ALTER TABLE logs {statement}"
        for index in (_GRAMS, _VALUES)
        for statement in (
            index.replace("INDEX", "ADD INDEX IF NOT EXISTS", 1),
            f"MATERIALIZE INDEX {index.split()[1]}",
        )
    ),
)
# Of each frame its lane, its rows before a repair, those that the guard took out, its signal; an
# index by which those of a stretch of the queue are found. Rows of before have no lane: nobody
# counted what came then.
FRAMES_MORE = (
    "ALTER TABLE frames ADD COLUMN IF NOT EXISTS Lane LowCardinality(String) DEFAULT ''",
    "ALTER TABLE frames ADD COLUMN IF NOT EXISTS ReadRows UInt64 DEFAULT Rows",
    "ALTER TABLE frames ADD COLUMN IF NOT EXISTS Guarded UInt64 DEFAULT 0",
    "ALTER TABLE frames ADD COLUMN IF NOT EXISTS Signal LowCardinality(String) DEFAULT ''",
    "ALTER TABLE frames ADD INDEX IF NOT EXISTS place (Segment, Offset) TYPE minmax GRANULARITY 1",
)

# The ledger, see store/ledger.py. All are small, and none is asked on the way of a row.
_COUNTED = "Frames UInt64, Rows UInt64, Bytes UInt64, Checksum UInt64, Guarded UInt64"
_WHOSE = (
    "Kind LowCardinality(String), Tenant LowCardinality(String), Source String, "
    "Minute DateTime('UTC'), Lane LowCardinality(String)"
)
LEDGER_DDL = (
    f"CREATE TABLE IF NOT EXISTS ledger_open (\n  {_WHOSE},\n  {_COUNTED},\n"
    "  Segment UInt64, Offset UInt64\n) ENGINE = MergeTree\n"
    f"ORDER BY (Segment, Offset, Tenant, Minute)\nSETTINGS {_DURABLE}",
    # Of one month all that was written in it: an insert is one part, so whole or not there.
    f"CREATE TABLE IF NOT EXISTS ledger (\n  {_WHOSE}, Written Date,\n  {_COUNTED}, "
    "ReadRows UInt64\n"
    ") ENGINE = SummingMergeTree((Frames, Rows, Bytes, Checksum, Guarded, ReadRows))\n"
    "PARTITION BY toYYYYMM(Written)\n"
    f"ORDER BY (Tenant, Minute, Source, Lane, Kind)\nSETTINGS {_DURABLE}",
    # What agents say in all, by the minute in which they said it.
    "CREATE TABLE IF NOT EXISTS ledger_said (\n  Tenant LowCardinality(String), Source String, "
    "Reason LowCardinality(String), Run UInt64, Minute DateTime('UTC'),\n"
    "  Frames UInt64, Rows UInt64, Bytes UInt64, Checksum UInt64, Upto UInt64\n"
    ") ENGINE = ReplacingMergeTree(Upto) PARTITION BY toYYYYMM(Minute)\n"
    f"ORDER BY (Tenant, Source, Reason, Run, Minute)\nSETTINGS {_DURABLE}",
    # Numbers of frames whose rows in `frames` are gone: of 65,536 numbers those that were known.
    "CREATE TABLE IF NOT EXISTS frame_numbers (\n  Tenant LowCardinality(String), Source String, "
    "Epoch UInt64, Block UInt64,\n  Numbers AggregateFunction(groupBitmap, UInt32),\n"
    "  Noted SimpleAggregateFunction(max, DateTime('UTC'))\n"
    ") ENGINE = AggregatingMergeTree ORDER BY (Tenant, Source, Epoch, Block)\n"
    f"SETTINGS {_DURABLE}",
)

MIGRATIONS: tuple[tuple[int, tuple[str, ...]], ...] = (
    (1, (LOGS_DDL, BULK_DDL, FRAMES_DDL)),
    (2, METRICS_DDL),
    (3, TRACES_DDL),
    (4, (*FRAMES_MORE, *LEDGER_DDL)),
    (5, INDEXES_5),
)
NEWEST = MIGRATIONS[-1][0]
