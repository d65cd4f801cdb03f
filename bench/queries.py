"""Questions over the loaded rows, through HTTP, as a person or Grafana asks them.

The server is started again before the questions, so each one's first run finds its caches empty
(the kernel's page cache is left alone); then come 20 runs. Each run looks for another needle: the
engine remembers which granules a condition it has seen before can match. Each counts over other
minutes: the server remembers those. Every answer is checked.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import data as generator
from bench import ingest
from bench.data import Data
from bench.figures import Figure, at_most, percentile, plain
from bench.server import Server

RUNS = 20
LINES = 100
SECOND_NS = 1_000_000_000
# So far apart are the beginnings of steps of which none is another's: 21 in a minute.
_ASIDE_NS = 2_800_000_000
_ALL = '{service_name=~".+"}'
_TEN_SEED = 20_260_103


@dataclass(frozen=True)
class Question:
    """`parameters` of each run in turn; `check` says whether an answer's result is the right one.

    `goal_ms`: 0 for none.
    """

    name: str
    parameters: list[dict[str, object]]
    check: Callable[[list[dict[str, Any]]], bool]
    goal_ms: float = 0.0


def measure(server: Server, data: Data, scratch: Path, times_ten: bool) -> list[Figure]:
    """Load, start again, ask. With `times_ten` load nine times as much more and ask again."""
    ingest.load(server, data)
    server.stop()
    server.start()
    figures: list[Figure] = []
    needle_ms = 0.0
    for question in questions(data):
        cold, runs = ask(server, question)
        figures += _figures(question, cold, runs)
        if question.name == "needle":
            needle_ms = percentile(runs, 0.5)
    if times_ten:
        figures += _ten(server, data, scratch, needle_ms)
    return figures


def questions(data: Data) -> list[Question]:
    """What is asked, with what the generator knows of the right answers."""
    span = {"start": data.start_ns, "end": data.end_ns}
    recent = {**span, "limit": LINES, "direction": "backward"}
    service = '{service_name="checkout"}'
    traced = generator.occurrences(data, f'"trace_id":"{data.traces[0]}"')
    step_s = 60
    levels = {
        "query": f"sum by (level)(count_over_time({_ALL}[{step_s}s]))",
        "step": step_s,
        **span,
    }
    return [
        Question(
            "needle",
            [{"query": f'{_ALL} |= "{needle}"', **recent} for needle in data.needles],
            lambda found: _lines(found) == 1,
            50,
        ),
        Question(
            "count by level a minute",
            [{**levels, "start": data.start_ns - number * _ASIDE_NS} for number in range(RUNS + 1)],
            lambda found: len(found) == 4,
            80,
        ),
        Question("count by level a minute, remembered", [levels], lambda found: len(found) == 4),
        Question(
            "last 100 of a service",
            [{"query": service, **recent}],
            lambda found: _lines(found) == LINES,
        ),
        Question(
            "last 100 of everything",
            [{"query": _ALL, **recent}],
            lambda found: _lines(found) == LINES,
        ),
        Question(
            "one trace",
            [{"query": f'{{trace_id="{data.traces[0]}"}}', **recent}],
            lambda found: _lines(found) == min(traced, LINES),
        ),
    ]


def ask(server: Server, question: Question) -> tuple[float, list[float]]:
    """Milliseconds of the first run and of the 20 after it. Raises RuntimeError."""
    times = []
    for run in range(RUNS + 1):
        parameters = question.parameters[run % len(question.parameters)]
        start_s = time.monotonic()
        body = server.get("/loki/api/v1/query_range", **parameters)
        times.append((time.monotonic() - start_s) * 1e3)
        found = json.loads(body)["data"]["result"]
        if not question.check(found):
            raise RuntimeError(f"{question.name}: a wrong answer: {str(found)[:500]}")
    return times[0], times[1:]


def _figures(question: Question, cold: float, runs: list[float]) -> list[Figure]:
    p95_ms = percentile(runs, 0.95)
    name = question.name
    if question.goal_ms:
        last = at_most(f"{name}, p95", p95_ms, "ms", question.goal_ms)
    else:
        last = plain(f"{name}, p95", p95_ms, "ms")
    return [
        plain(f"{name}, cold", cold, "ms"),
        plain(f"{name}, p50", percentile(runs, 0.5), "ms"),
        last,
    ]


def _ten(server: Server, data: Data, scratch: Path, needle_ms: float) -> list[Figure]:
    """The needle among ten times the rows: the same one, with older rows all around."""
    count = data.rows * 9
    more = generator.generate(count, scratch, _TEN_SEED, data.start_ns - SECOND_NS)
    try:
        # The server started again since the first load: its counters began at nothing.
        ingest.load(server, more)
    finally:
        generator.remove(more)
    server.stop()
    server.start()
    # The trace and the needles are looked up in the first rows, which `data` still names.
    whole = dataclasses.replace(data, start_ns=more.start_ns)
    cold, runs = ask(server, questions(whole)[0])
    ratio = percentile(runs, 0.5) / needle_ms
    return [
        plain("needle, ten times the rows, cold", cold, "ms"),
        plain("needle, ten times the rows, p50", percentile(runs, 0.5), "ms"),
        plain("needle, ten times the rows, p95", percentile(runs, 0.95), "ms"),
        at_most("needle, ten times the rows against once, p50", ratio, "times", 3),
    ]


def _lines(found: list[dict[str, Any]]) -> int:
    return sum(len(stream["values"]) for stream in found)
