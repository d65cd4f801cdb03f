"""What is in the lines: labels and fields with their kinds, from the lines themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from tailrace.core.limits import QUERY_ROWS
from tailrace.query.asked import Asked, whole
from tailrace.query.binder import Binder
from tailrace.query.labels import sanitise
from tailrace.query.logql.ast import JsonParser, LogfmtParser, LogQuery
from tailrace.query.logql.parser import parse_log
from tailrace.query.logs.columns import base_label
from tailrace.query.logs.entries import Entry
from tailrace.query.logs.lines import LogRange
from tailrace.query.logs.logs import Logs
from tailrace.query.logs.pushdown import conditions
from tailrace.query.pipeline.pipeline import Pipeline
from tailrace.query.plan import Statement, within

# Lines that are looked at, and names and values that are told of; as many as Grafana asks for.
LINES, FIELDS, LABELS = 1_000, 1_000, 100
_KINDS = (
    ("boolean", re.compile("true|false")),
    ("int", re.compile("[+-]?[0-9]{1,18}")),
    ("float", re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")),
    ("duration", re.compile("(?:[0-9]+(?:\\.[0-9]+)?(?:ns|us|µs|ms|s|m|h))+")),
    ("bytes", re.compile(r"[0-9]+(?:\.[0-9]+)? ?(?:B|[kKMGTP]i?B)")),
)


def kind_of(value: str) -> str:
    """What a value reads as: boolean, int, float, duration, bytes or string."""
    return next((kind for kind, pattern in _KINDS if pattern.fullmatch(value)), "string")


@dataclass
class Field:
    """What is known of a field so far."""

    kinds: set[str] = field(default_factory=set)
    values: dict[str, None] = field(default_factory=dict)
    parsers: dict[str, None] = field(default_factory=dict)

    def add(self, value: str, parser: str) -> None:
        self.kinds.add(kind_of(value))
        self.values.setdefault(value)
        if parser:
            self.parsers.setdefault(parser)

    @property
    def kind(self) -> str:
        if self.kinds <= {"int", "float"} and len(self.kinds) > 1:
            return "float"
        return next(iter(self.kinds)) if len(self.kinds) == 1 else "string"


class Detected:
    """The answers, as values to encode."""

    def __init__(self, logs: Logs) -> None:
        self._logs = logs
        self._parsers = {"json": Pipeline((JsonParser(),)), "logfmt": Pipeline((LogfmtParser(),))}

    async def labels(self, asked: Asked) -> object:
        """Each label of the streams and how many values it has."""
        start, end = asked.range()
        query = parse_log(asked.get("query")) if asked.get("query") else LogQuery(())
        async with self._logs.service.slot("labels"):
            scope = await self._logs.scope(asked.tenant, start, end)
            keys = scope.keys
            names = list(
                dict.fromkeys(["service_name", "host_name", "level", *map(sanitise, keys)])
            )
            bind = Binder()
            where = conditions(query, asked.tenant, keys, bind)
            where.append(within(start, end - 1, bind))
            chosen = names[:LABELS]
            counts = [
                f"uniqIf({x}, {x} != '')" for x in (base_label(n, keys, bind) for n in chosen)
            ]
            sql = f"SELECT {', '.join(counts)} FROM {scope.table} WHERE {' AND '.join(where)}"
            [found] = await self._logs.service.run(Statement(sql, bind.values))
        return {
            "detectedLabels": [
                {"label": name, "cardinality": int(count)}
                for name, count in zip(chosen, found, strict=True)
                if count
            ]
        }

    async def fields(self, asked: Asked) -> object:
        """Each field of the newest lines: its kind, parser and how many values were seen."""
        limit = _limit(asked, FIELDS)
        found = sorted((await self._found(asked)).items())[:limit]
        return {
            "fields": [
                {
                    "label": name,
                    "type": one.kind,
                    "cardinality": len(one.values),
                    "parsers": list(one.parsers) or None,
                }
                for name, one in found
            ],
            "limit": limit,
        }

    async def values(self, asked: Asked) -> object:
        """The values of one field in the newest lines."""
        limit = _limit(asked, FIELDS)
        found = (await self._found(asked)).get(asked.request.path_params["name"], Field())
        return {"values": sorted(found.values)[:limit], "limit": limit}

    async def _found(self, asked: Asked) -> dict[str, Field]:
        query = parse_log(asked.need("query"))
        start, end = asked.range()
        lines = whole(asked.get("line_limit") or str(LINES), "line_limit", 1, QUERY_ROWS)
        wanted = LogRange(start, end, lines)
        found: dict[str, Field] = {}
        for entry in await self._logs.lines(query, asked.tenant, wanted):
            for parser, values in self._parsed(entry):
                for name, value in values.items():
                    if not name.startswith("__error"):
                        found.setdefault(name, Field()).add(value, parser)
        return found

    def _parsed(self, entry: Entry) -> list[tuple[str, Mapping[str, str]]]:
        """The fields of a line by the parser that finds them."""
        found: list[tuple[str, Mapping[str, str]]] = [("", entry.metadata), ("", entry.parsed)]
        parser = "json" if entry.line.lstrip().startswith("{") else "logfmt"
        row = self._parsers[parser].process(entry.time_ns, entry.line, entry.stream, entry.metadata)
        if row is not None and not row.labels.get("__error__"):
            found.append((parser, row.labels.parsed()))
        return found


def _limit(asked: Asked, default: int) -> int:
    text = asked.get("limit") or asked.get("field_limit") or str(default)
    return min(whole(text, "limit"), default) or default
