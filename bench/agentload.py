"""The agent under a steady load of small writes: CPU, memory, and how long a line takes.

Every line says when it was written; the sink says when its frame was there. A line is due at its
time, whatever became of those before. CPU is that of the agent's process after its start.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from bench import shipping
from bench.figures import Figure, at_most, percentile, plain

FILES = 100
PER_FILE = 10
FEW = 5
# What a start costs is over by then.
_SETTLE_S = 5.0
_REST_S = 3.0
_PAD = "took=12ms status=200 method=GET path=/api/v1/orders/8412 user=42"


class _Load(NamedTuple):
    share: float  # of a core, in percent
    peak_mb: float
    p50_s: float
    p99_s: float
    lines: int


def measure(scratch: Path, seconds: int) -> list[Figure]:
    """`seconds`: how long each load is watched. Raises RuntimeError."""
    many = _watch(scratch / "many", FILES, FILES * PER_FILE, seconds)
    silent = _watch(scratch / "silent", FILES, FILES * PER_FILE, seconds, 'announce = "0s"\n')
    one = _watch(scratch / "one", 1, FEW, seconds)
    load = f"{FILES} files, {PER_FILE} lines/s each"
    return [
        at_most(f"{load}: share of a core", many.share, "%", 1),
        at_most(f"{load}: peak resident", many.peak_mb, "MB", 40),
        plain(f"{load}: written to arrived, p50", many.p50_s, "s"),
        at_most(f"{load}: written to arrived, p99", many.p99_s, "s", 1),
        plain(f"{load}, no announcements: share of a core", silent.share, "%"),
        plain(f"1 file, {FEW} lines/s: share of a core", one.share, "%"),
        plain(f"1 file, {FEW} lines/s: written to arrived, p50", one.p50_s, "s"),
        at_most(f"1 file, {FEW} lines/s: written to arrived, p99", one.p99_s, "s", 1),
    ]


def _watch(home: Path, files: int, per_s: int, seconds: float, settings: str = "") -> _Load:
    logs = home / "logs"
    logs.mkdir(parents=True)
    with ExitStack() as stack:
        paths = [logs / f"app-{number:03d}.log" for number in range(files)]
        outputs = [stack.enter_context(path.open("ab", buffering=0)) for path in paths]
        agent = stack.enter_context(shipping.agent(home, f'paths = ["{logs}/*.log"]\n', settings))

        def write(number: int) -> None:
            line = f"INFO request {number} {_PAD} written_ns={time.monotonic_ns()}\n"
            outputs[number % files].write(line.encode())

        settling = _at_rate(write, per_s, _SETTLE_S)
        before_s, began_s = agent.cpu_s, time.monotonic()
        watched = _at_rate(write, per_s, seconds)
        share = (agent.cpu_s - before_s) / (time.monotonic() - began_s)
        time.sleep(_REST_S)
        waits_s = [wait_ns / 1e9 for wait_ns in agent.ask("/waits")]
        if len(waits_s) != settling + watched:
            raise RuntimeError(f"{len(waits_s)} of {settling + watched} lines arrived")
        waits_s = waits_s[settling:]
        return _Load(
            share * 100,
            agent.peak_bytes / 1e6,
            percentile(waits_s, 0.5),
            percentile(waits_s, 0.99),
            len(waits_s),
        )


def _at_rate(act: Callable[[int], None], per_s: int, seconds: float) -> int:
    """Call `act` with 0, 1, ... for so long, each when it is due; how often."""
    began_s = time.monotonic()
    count = int(per_s * seconds)
    for number in range(count):
        wait_s = began_s + number / per_s - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
        act(number)
    return count
