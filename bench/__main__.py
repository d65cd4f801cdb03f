"""`python -m bench [PART]`: measure, compare, print.

PART is ingest, latency, queries, tail, alerts, alerts-promql, agent, doors, fairness, guard-speed
or guard-recall, all of these when none is named (`usual`); backlog, dashboard, storage and growth,
which take as long as they do; or `all`.

Prints a table of figures with their goals and writes it to bench/results.json. Exit status: 0 when
every goal is met, 1 when one is not, 2 when a part could not be measured.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from bench import (
    agent,
    alerts,
    backlog,
    dashboard,
    data,
    entrance,
    fairness,
    guard,
    ingest,
    latency,
    queries,
    samplerules,
    storage,
    tail,
)
from bench.corpus.corpus import FULL_ROWS
from bench.data import Data
from bench.figures import Figure, table
from bench.server import Server

PARTS = (
    "ingest", "latency", "queries", "tail", "alerts", "alerts-promql", "agent", "doors", "fairness",
    "guard-speed", "guard-recall", "backlog", "dashboard", "storage", "growth",
)  # fmt: skip
# What runs when nothing is named.
USUAL = PARTS[:-4]
BACKLOG_ROWS = 200_000
MANY_ROWS = 10_000_000
GROWTH_ROWS, GROWTH_TIMES = 1_000_000, 100
HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.json"


def main() -> int:
    """Run the chosen parts."""
    options = _options()
    parts = {"usual": USUAL, "all": PARTS}.get(options.part, (options.part,))
    scratch = Path(options.directory).resolve()
    shutil.rmtree(scratch / "run", ignore_errors=True)
    results: dict[str, list[Figure]] = {}
    errors: dict[str, str] = {}
    rows: Data | None = None
    try:
        for part in parts:
            rows = _generated(_rows(part, options), rows, scratch)
            _say(f"measuring {part}")
            try:
                results[part] = _measure(part, rows, scratch / "run" / part, options)
                print(table(results[part]), flush=True)
            except (RuntimeError, OSError) as error:
                errors[part] = str(error)
                print(f"{part} could not be measured: {error}", file=sys.stderr, flush=True)
    finally:
        if rows:
            data.remove(rows)
        shutil.rmtree(scratch / "run", ignore_errors=True)
    _write(results, errors, options.rows)
    met = all(one.met is not False for found in results.values() for one in found)
    return 2 if errors else int(not met)


def _rows(part: str, options: argparse.Namespace) -> int:
    """How many rows a part needs."""
    wanted: dict[str, int] = {
        "dashboard": max(options.rows, MANY_ROWS),
        "storage": max(options.rows, MANY_ROWS),
        "growth": GROWTH_ROWS,
        "ingest": options.rows,
        "queries": options.rows,
        "backlog": min(options.rows, BACKLOG_ROWS),
    }
    return wanted.get(part, 0)


def _generated(wanted: int, known: Data | None, scratch: Path) -> Data | None:
    """So many rows: those that are there, where they are as many."""
    if not wanted or (known is not None and known.rows == wanted):
        return known
    if known is not None:
        data.remove(known)
    _say(f"generating {wanted:,} rows")
    return data.generate(wanted, scratch)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("part", nargs="?", default="usual", choices=(*PARTS, "usual", "all"))
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument(
        "--seconds", type=int, default=30, help="how long latency and steady loads are measured"
    )
    parser.add_argument("--agent-mb", type=int, default=600, help="size of the file to ship")
    parser.add_argument("--backlog-gb", type=float, default=5.0, help="10^9 bytes of rows to drain")
    parser.add_argument(
        "--times-ten", action="store_true", help="queries: also ask ten times the rows"
    )
    parser.add_argument("--guard-rows", type=int, default=FULL_ROWS, help="lines to judge")
    parser.add_argument(
        "--examples", type=Path, help="guard-recall: write lines that went wrong to this file"
    )
    parser.add_argument(
        "--directory", default=str(HERE / ".work"), help="for the server's data; a real disk"
    )
    options = parser.parse_args()
    if options.rows < 1_000 or options.seconds < 2 or options.agent_mb < 1:
        parser.error("--rows from 1000, --seconds from 2, --agent-mb from 1")
    if options.guard_rows < 1_000:
        parser.error("--guard-rows from 1000")
    if options.backlog_gb < 0.1:
        parser.error("--backlog-gb from 0.1")
    return options


def _measure(
    part: str, rows: Data | None, scratch: Path, options: argparse.Namespace
) -> list[Figure]:
    scratch.mkdir(parents=True, exist_ok=True)
    if part == "agent":
        return agent.measure(scratch, options.agent_mb, options.seconds)
    if part == "alerts":
        return alerts.measure(scratch)
    if part == "alerts-promql":
        return samplerules.measure(scratch)
    if part == "doors":
        return entrance.measure(scratch, options.seconds)
    if part == "fairness":
        return fairness.measure(scratch, options.seconds)
    if part == "guard-speed":
        return guard.speed()
    if part == "guard-recall":
        return guard.recall(options.guard_rows, options.examples)
    with Server(scratch / "server") as server:
        if part == "latency":
            return latency.measure(server, options.seconds)
        if part == "tail":
            return tail.measure(server, options.seconds)
        assert rows is not None
        measures: dict[str, Callable[[], list[Figure]]] = {
            "ingest": lambda: ingest.measure(server, rows, scratch),
            "backlog": lambda: backlog.measure(server, rows, int(options.backlog_gb * 1e9)),
            "queries": lambda: queries.measure(server, rows, scratch, options.times_ten),
            "dashboard": lambda: dashboard.measure(server, rows),
            "storage": lambda: storage.measure(server, rows),
            "growth": lambda: storage.growth(server, rows, GROWTH_TIMES),
        }
        return measures[part]()


def _say(text: str) -> None:
    print(f"\n{time.strftime('%H:%M:%S')} {text}", flush=True)


def _machine() -> str:
    """The name of its processor, as the kernel tells it."""
    told = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(":")[2].strip() for line in told if line.startswith("model name"))
    return next(names, platform.machine())


def _write(results: dict[str, list[Figure]], errors: dict[str, str], rows: int) -> None:
    found = {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": platform.python_version(),
        "machine": _machine(),
        "cores": os.cpu_count(),
        "load_1m_at_the_end": os.getloadavg()[0],
        "rows": rows,
        "parts": {part: [asdict(one) for one in figures] for part, figures in results.items()},
        "errors": errors,
    }
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    print(f"\nwritten to {RESULTS}")


if __name__ == "__main__":
    sys.exit(main())
