"""From the start of the agent's process to its first line, with many files to look at.

Once with lines that were there. Once with `start = "end"`, when a line counts that is written after
the agent has looked at its file: one is written every few milliseconds, and the first that arrives
ends the wait.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from bench import shipping
from bench.figures import Figure, at_most

FILES = 5_000
RUNS = 3
_WAIT_S = 30.0
_STEP_S = 0.005
_LINE = b"INFO this file has been here for a while\n"


def measure(scratch: Path) -> list[Figure]:
    """Raises RuntimeError."""
    logs = scratch / "start" / "logs"
    logs.mkdir(parents=True)
    for number in range(FILES):
        (logs / f"app-{number:04d}.log").write_bytes(_LINE)
    there = [_first(logs, scratch / "start" / f"there-{run}", "beginning") for run in range(RUNS)]
    written = [_first(logs, scratch / "start" / f"end-{run}", "end") for run in range(RUNS)]
    text = f"{FILES:,} files: start to the first line"
    return [
        at_most(f"{text} that was there", statistics.median(there), "s", 1),
        at_most(f"{text} written after it", statistics.median(written), "s", 1),
    ]


def _first(logs: Path, home: Path, start: str) -> float:
    entry = f'paths = ["{logs}/*.log"]\nstart = "{start}"\n'
    with shipping.agent(home, entry) as agent:
        deadline = time.monotonic() + _WAIT_S
        while not (first_ns := agent.ask("/first")):
            if time.monotonic() > deadline:
                raise RuntimeError(f"no line arrived within {_WAIT_S:.0f} s")
            if start == "end":
                with (logs / f"app-{FILES // 2:04d}.log").open("ab") as file:
                    file.write(_LINE)
            time.sleep(_STEP_S)
        return float(first_ns - agent.started_ns) / 1e9
