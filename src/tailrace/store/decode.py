"""Frames to rows, by the engine: each payload becomes a file, one statement reads them all.

The files of one statement share a codec and hints. What differs from frame to frame (tenant,
identity, ingest time, weight, resource) is looked up by the number in the file's name.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tailrace.core import limits, names
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
    "input_format_allow_errors_num=1000000000"
)
_INSERT_SETTINGS = (
    # A frame may hold rows of any days; the schema bounds how many partitions that makes.
    "max_partitions_per_insert_block=0, "
    f"exclude_materialize_skip_indexes_on_insert='{','.join(schema.LATE_INDEXES)}'"
)
_TYPES = {
    name: kind.partition(" CODEC")[0]
    for name, _, kind in (column.partition(" ") for column in schema.LOGS_COLUMNS)
}
_LEADING_TIME = (
    r"^\[?(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:[.,]\d{1,9})?(?:Z|[+-]\d{2}:?\d{2})?)"
)

# A later time is none: the engine's own end is seven years after it, in 2262.
LAST_NS = 9_000_000_000_000_000_000
FRAME_NUMBER = "toUInt32(substring(_file, 1, position(_file, '.') - 1)) AS frame"
# More than any field has.
_NAMES_EACH = 16


def groups(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Frames that one statement can read together: same codec and hints."""
    found: dict[tuple[Codec, Hints], list[Frame]] = {}
    for frame in frames:
        found.setdefault((frame.header.codec, frame.header.hints), []).append(frame)
    return list(found.values())


@asynccontextmanager
async def unpacked(scratch: Path, frames: Sequence[Frame]) -> AsyncIterator[Path]:
    """A folder of its own in `scratch`, with one file for each frame, named by its 1-based place:
    `1.zst`, `2.zst`, ... Raises OSError."""
    directory = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=scratch))
    try:
        await asyncio.to_thread(_write_files, directory, frames)
        yield directory
    finally:
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)


def _write_files(directory: Path, frames: Sequence[Frame]) -> None:
    for number, frame in enumerate(frames, 1):
        (directory / f"{number}.zst").write_bytes(frame.payload)


def statement(directory: Path, frames: Sequence[Frame], table: str) -> str:
    """INSERT of the files of one group into `table`."""
    source, columns, given = _decoded(directory, frames)
    values = ",\n  ".join(columns.values())
    return (
        f"INSERT INTO {table} ({', '.join(columns)})\nWITH {given}\n"
        f"SELECT\n  {values}\nFROM {source}\n"
        f"SETTINGS {_SETTINGS}, {_INSERT_SETTINGS}"
    )


def selection(
    directory: Path, frames: Sequence[Frame], columns: str, condition: str, most: int
) -> str:
    """SELECT from the rows that `statement` would insert: for each frame its 1-based place, its
    rows, those for which `condition` holds, and of these the first `most` as tuples of `columns`,
    in their order. Both are SQL over the columns of the table."""
    source, values, given = _decoded(directory, frames)
    # What an insert does by itself. The brackets keep a name that is given inside from being read
    # as the type.
    cast = ", ".join(
        f"CAST(({value}), {sql.text(_TYPES[name])}) AS {name}" for name, value in values.items()
    )
    return (
        f"SELECT frame, count(), countIf(passes), groupArrayIf({int(most)})(chosen, passes)\n"
        f"FROM (\nSELECT frame, tuple({columns}) AS chosen, {condition} AS passes\n"
        f"FROM (\nWITH {given}\nSELECT frame, {cast}\nFROM {source}\n)\n)\nGROUP BY frame\n"
        f"SETTINGS {_SETTINGS}, max_threads=1"
    )


def _decoded(directory: Path, frames: Sequence[Frame]) -> tuple[str, dict[str, str], str]:
    """Where the rows of one group are read from, their columns, and what stands before these."""
    headers = [frame.header for frame in frames]
    codec, hints = headers[0].codec, headers[0].hints
    parts: dict[str, str] = {}
    files = sql.text(f"{directory}/{{1..{len(frames)}}}.zst")
    if codec is Codec.LINES:
        source = f"file({files}, LineAsString, 'line String', 'zstd')"
        columns = _lines_columns(headers, hints)
    elif hints.foreign:
        source = f"file({files}, JSONAsString, 'json String', 'zstd')"
        columns = _foreign_columns(headers, hints)
        parts = _foreign_parts(hints)
    else:
        source = f"file({files}, JSONEachRow, {sql.text(_CANONICAL)}, 'zstd')"
        columns = _canonical_columns(headers)
    given = ",\n  ".join([FRAME_NUMBER, *(f"{part} AS {name}" for name, part in parts.items())])
    return source, columns, given


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
            # A nanosecond apart, so that lines without a time of their own stay in order. Counted
            # in their frame, so that it is the same in whatever company the frame is read.
            f"{received(headers)} + toInt64(_row_number), 'UTC'))"
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
    listed = names.of(hints)
    # Where the sender says which host it is, a record's "host" is something else.
    hosted = lookup([str(int("host.name" in h.resource)) for h in headers])
    taken = ", ".join(f"{field}_at" for field in listed if field not in ("time", "host"))
    rest = (
        "CAST(arrayFilter((p, n) -> NOT has("
        f"[{taken}, if({hosted}, 0, host_at), if(isNull(moment), 0, time_at)], n), "
        "arrayZip(keys, texts), arrayEnumerate(keys)), 'Map(String, String)')"
    )
    resource = _resources(headers)
    if hosted != "1":
        host = f"if({hosted} OR host_at = 0, map(), map('host.name', texts[host_at]))"
        resource = f"mapUpdate({host}, {resource})"
    return {
        **identity(headers),
        "LogAttributes": cut(rest),
        "Timestamp": f"ifNull(moment, fromUnixTimestamp64Nano({received(headers)}, 'UTC'))",
        "ResourceAttributes": f"{resource} AS all_resource",
        "ServiceName": service("texts[service_at]"),
        "HostName": "all_resource['host.name']",
        "TraceId": "lower(texts[trace_id_at])",
        "SpanId": "lower(texts[span_id_at])",
        "TraceFlags": "0",
        "SeverityText": "texts[severity_at] AS level",
        "SeverityNumber": _severity_number("level"),
        "Body": "if(body_at = 0, json, texts[body_at])",
    }


def _foreign_parts(hints: Hints) -> dict[str, str]:
    """What the columns of foreign records are made of, by name.

    Every key gets a number that says which field it may be, and which of its names it is; of each
    field the lowest is looked up. That costs one pass, however many names there are.
    """
    listed = names.of(hints)
    coded = {
        name: place * _NAMES_EACH + number
        for place, field in enumerate(listed, 1)
        for number, name in enumerate(listed[field])
    }
    known = sql.array(sql.text(name) for name in coded)
    codes = sql.array(f"toUInt8({code})" for code in coded.values())
    parts = {
        "raws": "JSONExtractKeysAndValuesRaw(json)",
        "keys": "arrayMap(p -> p.1, raws)",
        "texts": (
            "arrayMap(p -> if(startsWith(p.2, '\"'), "
            "JSONExtractString(concat('[', p.2, ']'), 1), p.2), raws)"
        ),
        "codes": f"arrayMap(k -> transform(k, {known}, {codes}, toUInt8(0)), keys)",
    }
    for place, field in enumerate(listed, 1):
        low, high = place * _NAMES_EACH, (place + 1) * _NAMES_EACH
        lowest = f"arrayMin(c -> if(c >= {low} AND c < {high}, c, toUInt8(255)), codes)"
        parts[f"{field}_at"] = f"indexOf(codes, {lowest})"
    parts["moment"] = _foreign_time("texts[time_at]", hints)
    return parts


def _foreign_time(raw: str, hints: Hints) -> str:
    """The time of a record; NULL when it has none that can be read.

    A float holds 53 bits and nanoseconds need 61: integers are read as such, and of a fraction the
    microseconds.
    """
    micros = {"s": "1000000", "ms": "1000", "us": "1"}
    number, whole = f"toFloat64OrZero({raw})", f"toInt64OrNull({raw})"
    factor = micros.get(
        hints.time_unit, f"multiIf({number} < 1e11, 1000000, {number} < 1e14, 1000, 1)"
    )
    scaled = (
        f"if({number} * {factor} < 9e15, "
        f"ifNull({whole} * {factor}, toInt64(round({number} * {factor}))) * 1000, 0)"
    )
    nanos = f"ifNull({whole}, 0)"
    if hints.time_unit in micros:
        nanos = scaled
    elif hints.time_unit != "ns":
        nanos = f"if({number} < 1e17, {scaled}, {nanos})"
    sane = f"({nanos}) > 0 AND ({nanos}) < {LAST_NS}"
    return f"if({sane}, fromUnixTimestamp64Nano({nanos}, 'UTC'), {_parsed(raw)})"


def _parsed(text: str) -> str:
    """A time as people write it; NULL when it is none, or before 1970."""
    time = f"parseDateTime64BestEffortOrNull({text}, 9, 'UTC')"
    return f"if({time} > toDateTime64(0, 9, 'UTC'), {time}, NULL)"
