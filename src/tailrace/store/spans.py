"""The tables of spans: lines of core/span.py, decoded by the engine into the exporter's columns.

The columns and the words of SpanKind and StatusCode are those of the OpenTelemetry ClickHouse
exporter's otel_traces.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tailrace.core.frame import Frame, Header
from tailrace.store import decode, sql
from tailrace.store.logs import LogTable

KINDS = {
    "internal": "Internal",
    "server": "Server",
    "client": "Client",
    "producer": "Producer",
    "consumer": "Consumer",
}
STATUSES = {"ok": "Ok", "error": "Error"}
_MAP = "Map(String, String)"
_SPAN = (
    "time UInt64, duration UInt64, name String, trace_id String, span_id String, "
    "parent_span_id String, trace_state String, kind String, service String, status String, "
    f"status_message String, scope_name String, scope_version String, attributes {_MAP}, "
    f"resource {_MAP}, events Array(Tuple(time UInt64, name String, attributes {_MAP})), "
    f"links Array(Tuple(trace_id String, span_id String, trace_state String, attributes {_MAP}))"
)
_SETTINGS = (
    "input_format_parallel_parsing=0, input_format_skip_unknown_fields=1, "
    # As for logs: a line that the engine refuses shows in the count of its frame, and a frame may
    # hold spans of any days.
    "input_format_allow_errors_num=1000000000, max_partitions_per_insert_block=0"
)


class SpanTable(LogTable):
    """One table of spans (`spans` or `bulk_spans`), which makes a `LogTable`'s promises."""

    def _statements(self, directory: Path, frames: Sequence[Frame]) -> list[str]:
        return [statement(directory, [frame.header for frame in frames], self._table)]


def statement(directory: Path, headers: Sequence[Header], table: str) -> str:
    """INSERT of the files of these frames into `table`."""
    files = sql.text(f"{directory}/{{1..{len(headers)}}}.zst")
    columns = {**decode.identity(headers), **_columns(headers)}
    return (
        f"INSERT INTO {table} ({', '.join(columns)})\nWITH {decode.FRAME_NUMBER}\n"
        f"SELECT {', '.join(columns.values())}\n"
        f"FROM file({files}, JSONEachRow, {sql.text(_SPAN)}, 'zstd')\nSETTINGS {_SETTINGS}"
    )


def _columns(headers: Sequence[Header]) -> dict[str, str]:
    """What differs from span to span. An event without a time happened at the start."""
    moment = (
        f"if(event.time = 0 OR event.time > {decode.LAST_NS}, began, "
        "fromUnixTimestamp64Nano(toInt64(event.time), 'UTC'))"
    )
    return {
        "Timestamp": f"{decode.timestamp(headers)} AS began",
        "ResourceAttributes": f"{decode.own_resource(headers)} AS all_resource",
        "ServiceName": decode.service("service"),
        "HostName": "all_resource['host.name']",
        "TraceId": "trace_id",
        "SpanId": "span_id",
        "ParentSpanId": "parent_span_id",
        "TraceState": "trace_state",
        "SpanName": "name",
        "SpanKind": _word("kind", KINDS, "Unspecified"),
        "ScopeName": "scope_name",
        "ScopeVersion": "scope_version",
        "SpanAttributes": decode.cut("attributes"),
        "Duration": "duration",
        "StatusCode": _word("status", STATUSES, "Unset"),
        "StatusMessage": "status_message",
        "Events.Timestamp": f"arrayMap(event -> {moment}, events)",
        "Events.Name": "events.name",
        "Events.Attributes": "events.attributes",
        "Links.TraceId": "links.trace_id",
        "Links.SpanId": "links.span_id",
        "Links.TraceState": "links.trace_state",
        "Links.Attributes": "links.attributes",
    }


def _word(expression: str, words: dict[str, str], other: str) -> str:
    ours = sql.array(map(sql.text, words))
    theirs = sql.array(map(sql.text, words.values()))
    return f"transform({expression}, {ours}, {theirs}, {sql.text(other)})"
