"""Frames to rows, by the engine: each payload becomes a file, one statement reads them all.

The files of one statement share a codec and hints. What differs from frame to frame (tenant,
identity, ingest time, weight, resource) is looked up by the number in the file's name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tailrace.core import limits
from tailrace.core.frame import Codec, Frame, Header, Hints
from tailrace.core.plain import HEAD_BYTES, LEVEL_WORD, LEVELS, TRACE_ID
from tailrace.store import schema, sql

_CANONICAL = (
    "time UInt64, severity String, body String, service String, trace_id String, "
    "span_id String, attributes Map(String, String), resource Map(String, String)"
)
_SETTINGS = (
    "input_format_json_read_numbers_as_strings=1, input_format_json_read_bools_as_strings=1, "
    "input_format_json_read_objects_as_strings=1, input_format_json_read_arrays_as_strings=1, "
    "input_format_skip_unknown_fields=1, input_format_null_as_default=1, "
    # One thread parses 100 MB/s, more than arrives; two cost 20% more CPU for the same rows.
    "input_format_parallel_parsing=0, "
    # A line that the engine refuses is left out; the count shows it, and only its frame goes the
    # slow way. Without this one such line fails the whole batch.
    "input_format_allow_errors_num=1000000000, "
    # A frame may hold rows of any days; the schema bounds how many partitions that makes.
    "max_partitions_per_insert_block=0, "
    f"exclude_materialize_skip_indexes_on_insert='{','.join(schema.LATE_INDEXES)}'"
)
_LEADING_TIME = (
    r"^\[?(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:[.,]\d{1,9})?(?:Z|[+-]\d{2}:?\d{2})?)"
)

# A later time is none: the engine's own end is seven years after it, in 2262.
LAST_NS = 9_000_000_000_000_000_000
FRAME_NUMBER = "toUInt32(substring(_file, 1, position(_file, '.') - 1)) AS frame"


def groups(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Frames that one statement can read together: same codec and hints."""
    found: dict[tuple[Codec, Hints], list[Frame]] = {}
    for frame in frames:
        found.setdefault((frame.header.codec, frame.header.hints), []).append(frame)
    return list(found.values())


def write_files(directory: Path, frames: Sequence[Frame]) -> None:
    """One file for each frame, named by its 1-based place: `1.zst`, `2.zst`, ..."""
    for number, frame in enumerate(frames, 1):
        (directory / f"{number}.zst").write_bytes(frame.payload)


def statement(directory: Path, frames: Sequence[Frame], table: str) -> str:
    """INSERT of the files of one group into `table`."""
    headers = [frame.header for frame in frames]
    codec, hints = headers[0].codec, headers[0].hints
    files = sql.text(f"{directory}/{{1..{len(frames)}}}.zst")
    if codec is Codec.LINES:
        source = f"file({files}, LineAsString, 'line String', 'zstd')"
        columns = _lines_columns(headers, hints)
    elif hints.foreign:
        source = f"file({files}, JSONAsString, 'json String', 'zstd')"
        columns = _foreign_columns(headers, hints)
    else:
        source = f"file({files}, JSONEachRow, {sql.text(_CANONICAL)}, 'zstd')"
        columns = _canonical_columns(headers)
    names = ", ".join(columns)
    values = ",\n  ".join(columns.values())
    return (
        f"INSERT INTO {table} ({names})\nWITH {FRAME_NUMBER}\nSELECT\n  {values}\nFROM {source}\n"
        f"SETTINGS {_SETTINGS}"
    )


def lookup(literals: list[str]) -> str:
    """The literal of the row's frame; a plain constant when all frames agree."""
    if len(set(literals)) == 1:
        return literals[0]
    return f"{sql.array(literals)}[frame]"


def identity(headers: Sequence[Header]) -> dict[str, str]:
    """Columns that are the same for all rows of a frame."""
    return {
        "Tenant": lookup([sql.text(h.tenant) for h in headers]),
        "IngestTime": f"fromUnixTimestamp64Nano({received(headers)}, 'UTC')",
        "Weight": lookup([f"toUInt32({h.weight})" for h in headers]),
        "Source": lookup([sql.text(h.source) for h in headers]),
        "Epoch": lookup([f"toUInt64({h.epoch})" for h in headers]),
        "Seq": lookup([f"toUInt64({h.seq})" for h in headers]),
    }


def received(headers: Sequence[Header]) -> str:
    return lookup([f"toInt64({h.received_ns})" for h in headers])


def _resources(headers: Sequence[Header]) -> str:
    return lookup([sql.text_map(h.resource) for h in headers])


def service(named: str) -> str:
    """The service of a row: what it is `named`, or its resource, aliased all_resource, says."""
    return (
        f"multiIf({named} != '', {named}, all_resource['service.name'] != '', "
        "all_resource['service.name'], 'unknown_service')"
    )


def _severity_number(expression: str) -> str:
    names = sql.array(sql.text(name) for name in LEVELS)
    numbers = sql.array(str(number) for number in LEVELS.values())
    return f"toUInt8(transform(upper(toLowCardinality({expression})), {names}, {numbers}, 0))"


def cut(expression: str) -> str:
    """Attributes within the limit; the door refuses more, this holds for every other way in."""
    most = limits.ATTRIBUTES_PER_RECORD
    return (
        f"if(length({expression}) > {most}, "
        f"mapFromArrays(arraySlice(mapKeys({expression}), 1, {most}), "
        f"arraySlice(mapValues({expression}), 1, {most})), {expression})"
    )


def timestamp(headers: Sequence[Header]) -> str:
    """The `time` of a canonical row; the time of ingest where it has none, or one that is none."""
    return (
        f"fromUnixTimestamp64Nano(if(time = 0 OR time > {LAST_NS}, "
        f"{received(headers)}, toInt64(time)), 'UTC')"
    )


def own_resource(headers: Sequence[Header]) -> str:
    """The `resource` of a canonical row over that of its frame."""
    own = any(header.resource for header in headers)
    return f"mapUpdate({_resources(headers)}, resource)" if own else "resource"


def _canonical_columns(headers: Sequence[Header]) -> dict[str, str]:
    return {
        **identity(headers),
        "Timestamp": timestamp(headers),
        "ResourceAttributes": f"{own_resource(headers)} AS all_resource",
        "ServiceName": service("service"),
        "HostName": "all_resource['host.name']",
        "TraceId": "trace_id",
        "SpanId": "span_id",
        "TraceFlags": "0",
        "SeverityText": "severity",
        "SeverityNumber": _severity_number("severity"),
        "Body": "body",
        "LogAttributes": cut("attributes"),
    }


def _lines_columns(headers: Sequence[Header], hints: Hints) -> dict[str, str]:
    head = f"substring(line, 1, {HEAD_BYTES})"
    time = f"replaceOne(extract({head}, {sql.text(_LEADING_TIME)}), ',', '.')"
    joined = hints.newline not in ("", "\n")
    trace = f"if(position(line, 'trace') = 0, '', extract(line, {sql.text(TRACE_ID)}))"
    return {
        **identity(headers),
        "Timestamp": (
            f"ifNull({_parsed(time)}, fromUnixTimestamp64Nano("
            # A nanosecond apart, so that lines without a time of their own stay in order.
            f"{received(headers)} + toInt64(rowNumberInAllBlocks()), 'UTC'))"
        ),
        "ResourceAttributes": f"{_resources(headers)} AS all_resource",
        "ServiceName": service("''"),
        "HostName": "all_resource['host.name']",
        "TraceId": trace,
        "SpanId": "''",
        "TraceFlags": "0",
        "SeverityText": f"upper(extract({head}, {sql.text(LEVEL_WORD)})) AS level",
        "SeverityNumber": _severity_number("level"),
        "Body": f"replaceAll(line, {sql.text(hints.newline)}, '\\n')" if joined else "line",
        "LogAttributes": "map()",
    }


def _foreign_columns(headers: Sequence[Header], hints: Hints) -> dict[str, str]:
    named = [hints.time, hints.severity, hints.body, hints.service, hints.trace_id, hints.span_id]
    skip = sql.array(sql.text(name) for name in named)
    as_text = (
        "arrayMap(p -> (p.1, if(startsWith(p.2, '\"'), "
        "JSONExtractString(concat('[', p.2, ']'), 1), p.2)), "
        "JSONExtractKeysAndValuesRaw(json)) AS pairs"
    )
    rest = f"CAST(arrayFilter(p -> NOT has({skip}, p.1), pairs), 'Map(String, String)')"
    return {
        "LogAttributes": f"{cut(rest.replace('pairs', f'({as_text})', 1))}",
        **identity(headers),
        "Timestamp": _foreign_time(headers, hints),
        "ResourceAttributes": f"{_resources(headers)} AS all_resource",
        "ServiceName": service(_field(hints.service)),
        "HostName": "all_resource['host.name']",
        "TraceId": _field(hints.trace_id),
        "SpanId": _field(hints.span_id),
        "TraceFlags": "0",
        "SeverityText": f"{_field(hints.severity)} AS level",
        "SeverityNumber": _severity_number("level"),
        "Body": f"if(JSONHas(json, {sql.text(hints.body)}), {_field(hints.body)}, json)",
    }


def _field(key: str) -> str:
    """A top-level value as text: strings without quotes, anything else as its JSON."""
    return f"arrayFirst(p -> p.1 = {sql.text(key)}, pairs).2"


def _foreign_time(headers: Sequence[Header], hints: Hints) -> str:
    raw = _field(hints.time)
    factors = {"s": "1e9", "ms": "1e6", "us": "1e3", "ns": "1"}
    number = f"toFloat64OrZero({raw})"
    if hints.time_unit == "ns":
        # A float holds 53 bits; nanoseconds need 61.
        nanos = f"ifNull(toInt64OrNull({raw}), 0)"
    elif hints.time_unit in factors:
        nanos = f"toInt64({number} * {factors[hints.time_unit]})"
    else:
        nanos = (
            f"multiIf({number} < 1e11, toInt64({number} * 1e9), {number} < 1e14, "
            f"toInt64({number} * 1e6), {number} < 1e17, toInt64({number} * 1e3), "
            f"ifNull(toInt64OrNull({raw}), 0))"
        )
    sane = f"({nanos}) > 0 AND ({nanos}) < {LAST_NS}"
    return (
        f"multiIf({sane}, fromUnixTimestamp64Nano({nanos}, 'UTC'), "
        f"isNotNull({_parsed(raw)}), assumeNotNull({_parsed(raw)}), "
        f"fromUnixTimestamp64Nano({received(headers)}, 'UTC'))"
    )


def _parsed(text: str) -> str:
    """A time as people write it; NULL when it is none, or before 1970."""
    time = f"parseDateTime64BestEffortOrNull({text}, 9, 'UTC')"
    return f"if({time} > toDateTime64(0, 9, 'UTC'), {time}, NULL)"
