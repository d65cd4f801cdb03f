"""A trace as a tree that a person can read: offset, duration, status, service and name; and the
log lines of each span beneath it, in time order with the spans that it called.

offset  duration
     0   120.0ms         web: GET /cart
 2.0ms           INFO      | cart 17 opened
 3.0ms    80.2ms  error    cart: charge  card declined
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tailrace.core.visible import visible
from tailrace.query.times import rfc3339

_DEEPEST = 40  # deeper spans are shown at this depth
_HEAD = f"{'offset':>9} {'duration':>9}\n"
Node = dict[str, Any]


def render(trace: Node, lines: Sequence[Node] = (), warnings: Sequence[str] = ()) -> Iterator[str]:
    """Lines of a trace in the shape of traces/shape.py, with log lines in that of traces/logs.py.

    A log line of no span, or of one that is not here, stands at the left.
    """
    spans: list[Node] = sorted(trace["spans"], key=lambda span: int(span["startTime"]))
    services = {one["serviceName"] for one in trace["processes"].values()}
    start = spans[0]["startTime"]
    end = max(span["startTime"] + span["duration"] for span in spans)
    yield (
        f"trace {visible(trace['traceID'])}: {_counted(len(spans), 'span')}, "
        f"{_counted(len(services), 'service')}, {spell(end - start)} "
        f"from {rfc3339(start * 1_000)}\n"
    )
    yield _HEAD
    known = {span["spanID"] for span in spans}
    nodes = sorted([*spans, *map(_leaf, lines)], key=lambda node: int(node["startTime"]))
    for node, depth in walk(nodes):
        if "line" in node:
            yield _log_line(node, depth, start)
        else:
            yield _line(trace, node, depth, start, known)
    yield from (f"{visible(warning)}\n" for warning in (*(trace["warnings"] or ()), *warnings))


def _leaf(line: Node) -> Node:
    """A log line as what a span has beneath it; no span has its id, since that is hexadecimal."""
    return {
        "spanID": f"line {id(line)}",
        "references": [{"refType": "CHILD_OF", "spanID": line["spanID"]}] if line["spanID"] else [],
        "startTime": int(line["timestamp"]) // 1_000,
        "line": line,
    }


def walk(spans: list[Node]) -> Iterator[tuple[Node, int]]:
    """Each span once, after its parent, with its depth; spans are in time order.

    One whose parent is not there stands at the top, and so does one of a circle.
    """
    places: dict[str, int] = {}
    for place, span in enumerate(spans):
        places.setdefault(span["spanID"], place)
    children: dict[int, list[int]] = {}
    tops: list[int] = []
    for place, span in enumerate(spans):
        above = places.get(_parent(span))
        (tops if above is None else children.setdefault(above, [])).append(place)
    seen: set[int] = set()
    for top in [*tops, *range(len(spans))]:
        stack = [(top, 0)]
        while stack:
            place, depth = stack.pop()
            if place in seen:
                continue
            seen.add(place)
            yield spans[place], depth
            stack += [(child, depth + 1) for child in reversed(children.get(place, []))]


def spell(microseconds: int) -> str:
    """A duration in the unit that suits it."""
    if microseconds < 1_000:
        return f"{microseconds}us" if microseconds else "0"
    if microseconds < 1_000_000:
        return f"{microseconds / 1e3:.1f}ms"
    if microseconds < 120_000_000:
        return f"{microseconds / 1e6:.2f}s"
    return f"{microseconds / 60e6:.1f}min"


def _line(trace: Node, span: Node, depth: int, start: int, known: set[str]) -> str:
    tags = {tag["key"]: tag["value"] for tag in reversed(span["tags"])}
    status = str(tags.get("otel.status_code", "")).lower()
    service = trace["processes"][span["processID"]]["serviceName"]
    parts = [f"{service}: {span['operationName']}", str(tags.get("otel.status_description", ""))]
    if (above := _parent(span)) and above not in known:
        parts.append(f"(its parent {above} is not here)")
    text = visible("  ".join(part for part in parts if part))
    times = f"{spell(span['startTime'] - start):>9} {spell(span['duration']):>9}"
    return f"{times}  {visible(status)[:5]:<5}  {'  ' * min(depth, _DEEPEST)}{text}\n"


def _log_line(node: Node, depth: int, start: int) -> str:
    """Further lines of its body are indented, so that none can pass for a row."""
    line = node["line"]
    labels = line["labels"]
    level = labels.get("detected_level") or labels.get("level", "unknown")
    shown = "" if level == "unknown" else level.upper()
    indent = "  " * min(depth, _DEEPEST)
    head = f"{_offset(node['startTime'] - start):>9} {'':>9}  {visible(shown)[:5]:<5}  {indent}| "
    body = f"\n{' ' * (len(head) - 2)}| ".join(map(visible, line["line"].split("\n")))
    return f"{head}{body}\n"


def _offset(microseconds: int) -> str:
    """Clocks differ: a line may be older than the trace."""
    return spell(microseconds) if microseconds >= 0 else f"-{spell(-microseconds)}"


def _parent(span: Node) -> str:
    found = (one["spanID"] for one in span["references"] or () if one["refType"] == "CHILD_OF")
    return next(found, "")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
