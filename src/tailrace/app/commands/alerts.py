"""`tailrace alerts`: what fires, and how late alerts are."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from tailrace.alerts.latency.report import CanaryDelay, Delays, Latencies, RuleDelayed
from tailrace.app.commands import asking
from tailrace.app.commands.common import print_json, table, write
from tailrace.core.visible import visible

_FIGURES = ("COUNT", "P50", "P99", "WORST")


class _Alert(msgspec.Struct, rename="camel"):
    labels: dict[str, str]
    state: str
    active_at: str
    value: str


class _Alerts(msgspec.Struct):
    alerts: list[_Alert]


class _Listed(msgspec.Struct):
    data: _Alerts


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    about = "list alerts, and how late they are"
    parser = subparsers.add_parser("alerts", help=about, description=about)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    about = "list alerts that are pending or fire"
    listed = actions.add_parser("list", help=about, description=about)
    listed.set_defaults(func=run_list)
    about = (
        "say how long it takes from an event to its alert, by stage and by rule, over the last "
        "hour; exit status 1 while alerts are late"
    )
    latency = actions.add_parser("latency", help="say how late alerts are", description=about)
    latency.set_defaults(func=run_latency)
    for action in (listed, latency):
        action.add_argument("--json", action="store_true", help="print JSON")
        asking.add_arguments(action)


def run_list(args: argparse.Namespace) -> int:
    """0 done, 1 the server cannot be asked, 2 the command line is wrong."""
    server = asking.server(args)
    found = server.parse(server.get("/api/v1/alerts", {}), _Listed).data.alerts
    if args.json:
        print_json(found)
        return 0
    return write(_list(found))


def _list(found: Sequence[_Alert]) -> Iterator[str]:
    if not found:
        yield "no alert is pending or fires\n"
        return
    yield from table([("STATE", "ALERT", "SINCE", "VALUE", "LABELS"), *map(_alert, found)])


def _alert(one: _Alert) -> Sequence[str]:
    labels = ", ".join(f"{k}={v}" for k, v in sorted(one.labels.items()) if k != "alertname")
    cells = (
        one.state,
        one.labels.get("alertname", ""),
        one.active_at[:19] + "Z",
        one.value,
        labels,
    )
    return [visible(cell) for cell in cells]


def run_latency(args: argparse.Namespace) -> int:
    """0 in time, 1 late or the server cannot be asked, 2 the command line is wrong."""
    server = asking.server(args)
    found = server.parse(server.get("/api/v1/alerts/latency", {}), Latencies)
    if args.json:
        print_json(found)
    else:
        write(_latency(found))
    return int(bool(found.late))


def _latency(found: Latencies) -> Iterator[str]:
    if found.canary is None:
        yield "there is no canary: alerts.canary is 0\n"
    else:
        rows = [(one.stage, *_figures(one.delays)) for one in found.canary.stages]
        yield from table([("FROM THE EVENT TO", *_FIGURES), *rows])
        yield f"{visible(found.late)}\n" if found.late else _in_time(found.canary)
    if found.rules:
        yield "\n"
        heading = ("FROM THE SLOT TO EVALUATED", "GROUP", "EVERY", *_FIGURES, "P99 TO TOLD")
        yield from table([heading, *map(_rule, found.rules)])
    if found.sent.count:
        yield "\n"
        yield from table([("FROM TOLD TO", *_FIGURES), ("sent", *_figures(found.sent))])


def _in_time(canary: CanaryDelay) -> str:
    if not any(one.delays.count for one in canary.stages):
        return "in time as far as is known: no line of the canary has come so far yet\n"
    return (
        f"in time: 99 of 100 lines of the last 15 minutes within {_s(canary.p99_s)}, "
        f"the last one {_s(canary.silent_s)} ago\n"
    )


def _rule(one: RuleDelayed) -> Sequence[str]:
    told = _s(one.told.p99_s) if one.told.count else "-"
    cells = (one.name, one.group, _s(one.interval_s), *_figures(one.evaluated), told)
    return [visible(cell) for cell in cells]


def _figures(delays: Delays) -> Sequence[str]:
    if not delays.count:
        return ("0", "-", "-", "-")
    return (f"{delays.count:,}", _s(delays.p50_s), _s(delays.p99_s), _s(delays.worst_s))


def _s(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
