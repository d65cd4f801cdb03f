"""Lines and series as text for a terminal, as JSON, or as NDJSON; see core/visible.py."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import IO, Any

import msgspec

from tailrace.core.line import Line
from tailrace.core.visible import is_hidden, visible
from tailrace.query.times import rfc3339

_COLOURS = {"fatal": "35", "error": "31", "warn": "33", "info": "32", "debug": "36", "trace": "90"}
FORMATS = ("text", "json", "ndjson")


def wants_colour(stream: IO[str], environ: Mapping[str, str] = os.environ) -> bool:
    """Colour for a terminal, unless NO_COLOR is set."""
    return stream.isatty() and not environ.get("NO_COLOR")


def render(
    found: Iterable[Line], form: str, colour: bool = False, traced: bool = False
) -> Iterator[str]:
    """Pieces of output, each ending a line; `form` is one of FORMATS. `traced`: with trace ids,
    which JSON has anyway."""
    if form == "text":
        yield from (text_line(line, colour, traced) + "\n" for line in found)
    elif form == "ndjson":
        yield from (json_text(_record(line)) + "\n" for line in found)
    else:
        separator = "[\n"
        for line in found:
            yield separator + json_text(_record(line))
            separator = ",\n"
        yield "[]\n" if separator == "[\n" else "\n]\n"


def text_line(line: Line, colour: bool = False, traced: bool = False) -> str:
    """`time LEVEL service line`, with the trace id before the line when `traced`; the level
    coloured; further lines of its body are indented, so that none can pass for a row.
    """
    level = line.labels.get("detected_level") or line.labels.get("level", "unknown")
    shown = visible(("" if level == "unknown" else level.upper())[:5].ljust(5))
    if colour and level in _COLOURS:
        shown = f"\x1b[{_COLOURS[level]}m{shown}\x1b[0m"
    service = visible(line.labels.get("service_name", "-"))
    if traced:
        service += f" {visible(line.labels.get('trace_id', '')) or '-'}"
    body = "\n    ".join(map(visible, line.body.split("\n")))
    return f"{rfc3339(line.time_ns)} {shown} {service} {body}"


def render_series(series: list[dict[str, Any]], form: str) -> Iterator[str]:
    """A metric answer: a line per sample as text, a series per line as NDJSON."""
    if form == "json":
        yield json_text(series) + "\n"
        return
    for one in series:
        if form == "ndjson":
            yield json_text(one) + "\n"
            continue
        labels = ", ".join(f"{k}={v!r}" for k, v in one["metric"].items())
        for seconds, value in one["values"]:
            yield f"{rfc3339(int(float(seconds) * 1e9))} {{{visible(labels)}}} {visible(value)}\n"


def _record(line: Line) -> dict[str, Any]:
    moment = datetime.fromtimestamp(line.time_ns // 1_000_000_000, UTC)
    time = f"{moment:%Y-%m-%dT%H:%M:%S}.{line.time_ns % 1_000_000_000:09d}Z"
    return {"time": time, "labels": line.labels, "line": line.body}


def json_text(value: object) -> str:
    """JSON whose invisible characters are escaped as JSON escapes, so that it is safe to show."""
    return visible_json(msgspec.json.encode(value).decode())


def visible_json(text: str) -> str:
    """The same of text that is JSON, or has no line break."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_json_visible(char) for char in text)


def _json_visible(char: str) -> str:
    if not is_hidden(char):
        return char
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
