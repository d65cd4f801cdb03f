"""Columns of the log table as labels, and rows as entries."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tailrace.query.binder import Binder
from tailrace.query.labels import (
    BUILT_IN,
    LEVEL_NAMES,
    LEVEL_SQL,
    first_of,
    metadata,
    resource_values,
    sanitise,
    stream,
)

NANOSECONDS = "toUnixTimestamp64Nano(Timestamp)"
STREAM_COLUMNS = ("ServiceName", "HostName", "SeverityNumber", "ResourceAttributes")
ROW_COLUMNS = (
    NANOSECONDS,
    "toValidUTF8(Body)",
    *STREAM_COLUMNS,
    "TraceId",
    "SpanId",
    "LogAttributes",
    "Weight",
)
# Labels that are in the stream of every row, whatever it is.
ALWAYS = frozenset({"service_name", "level", "detected_level"})
_ALIASES = frozenset({"host"})
# As the index of the log table says it.
ATTRIBUTE_VALUES = "mapValues(LogAttributes)"


def line_bytes(table: str) -> str:
    """SQL for the bytes of a line; a table keeps them apart from the line, files do not."""
    return "Body.size" if table == "logs" else "length(Body)"


class Decoder:
    """Rows of ROW_COLUMNS to label dictionaries; rows of one stream share theirs, so they must not
    be changed."""

    def __init__(self) -> None:
        self._streams: dict[tuple[Any, ...], dict[str, str]] = {}

    def stream(self, service: str, host: str, severity: int, resource: Mapping[str, str]) -> Any:
        """The labels of the stream of a row."""
        key = (service, host, severity, *resource.items())
        found = self._streams.get(key)
        if found is None:
            found = self._streams[key] = stream(service, host, severity, resource)
        return found

    def labels(self, row: Sequence[Any]) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Those of the stream and the structured metadata of one row of ROW_COLUMNS."""
        _, _, service, host, severity, resource, trace, span, attributes, *_ = row
        own = metadata(severity, trace, span, attributes)
        return self.stream(service, host, severity, resource), own


def base_label(name: str, keys: Sequence[str], bind: Binder) -> str:
    """SQL for a label of the stream or the structured metadata, '' without it.

    `keys`: the tenant's raw resource attribute keys.
    """
    if name in LEVEL_NAMES:
        return LEVEL_SQL
    if name in BUILT_IN and name not in _ALIASES:
        return BUILT_IN[name]
    return first_of([*resource_values(name, keys, bind), _attribute(name, bind)])


def among(name: str, keys: Sequence[str]) -> str:
    """SQL of an array that has an index and holds `base_label` unless that is ''; "" where there is
    none: where the label may come from elsewhere than the row's own attributes."""
    if name in LEVEL_NAMES or name in BUILT_IN or any(sanitise(key) == name for key in keys):
        return ""
    return ATTRIBUTE_VALUES


def _attribute(name: str, bind: Binder) -> str:
    if not re.fullmatch("[A-Za-z0-9_]+", name):
        return "''"
    if "_" not in name:
        return f"LogAttributes[{bind.text(name)}]"
    pattern = bind.text(f"^{spelled(name)}$")
    key = f"arrayFirst(k -> match(k, {pattern}), arraySort(mapKeys(LogAttributes)))"
    return f"LogAttributes[{key}]"


def spelled(name: str) -> str:
    """RE2 for every key that is written `name` as a label."""
    pattern = name.replace("_", "[^a-zA-Z0-9]")
    if name.startswith("_") and name[1:2].isdigit():
        return f"(?s:.?){name[1:].replace('_', '[^a-zA-Z0-9]')}"
    return pattern
