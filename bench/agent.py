"""The agent: what a file costs, whole and sampled, and the figures of agentload.py, agentstart.py
and agenthost.py.

The real command ships to a sink that answers at once. CPU and memory are those of its process from
the start to the last acknowledged byte, start-up included. Checkpoint and spool are on the disk of
`--directory`.
"""

from __future__ import annotations

import shutil
import statistics
import time
from pathlib import Path
from typing import NamedTuple

from bench import agenthost, agentload, agentstart, shipping
from bench.figures import Figure, at_least, at_most, plain
from tailrace.app.demo.lines import message_line
from tailrace.app.demo.shop import Shop

MB = 1e6
SHIP_S = 300.0
RUNS = 3
# Invented once and repeated: far longer than the megabyte that the agent compresses at a time.
_PIECE_BYTES = 40_000_000
_SEED = 20_260_104
_INPUT = 'paths = ["{path}"]\nservice = "bench"\n'


class _Shipped(NamedTuple):
    per_cpu: float  # MB for each CPU second
    per_s: float
    peak_mb: float


def measure(scratch: Path, megabytes: int, seconds: int) -> list[Figure]:
    """`megabytes`: of the file. `seconds`: how long steady loads are watched. Raises RuntimeError.

    Of several runs the median is told.
    """
    path = scratch / "logs" / "app.log"
    size = _write(path, megabytes)
    whole = _ship(scratch, path, size)
    sampled = _ship(scratch, path, size, "sample = 0.05\n")
    searched = _ship(scratch, path, size, "sample = 0.05\n", hyperscan=False)
    path.unlink()
    return [
        plain("agent, file", size / MB, "MB"),
        plain("agent, throughput", whole.per_s, "MB/s"),
        at_least("agent, per CPU second", whole.per_cpu, "MB/s", 180),
        at_most("agent, peak resident", whole.peak_mb, "MB", 40),
        at_least("sampling 5%, per CPU second", sampled.per_cpu, "MB/s", 90),
        plain("sampling 5%, peak resident", sampled.peak_mb, "MB"),
        plain("sampling 5% without hyperscan, per CPU second", searched.per_cpu, "MB/s"),
        plain("sampling 5% without hyperscan, peak resident", searched.peak_mb, "MB"),
        *agentload.measure(scratch, seconds),
        *agentstart.measure(scratch),
        *agenthost.measure(scratch, seconds),
    ]


def _ship(scratch: Path, path: Path, size: int, more: str = "", hyperscan: bool = True) -> _Shipped:
    runs = [_once(scratch / "ship", path, size, more, hyperscan) for _ in range(RUNS)]
    return _Shipped(*(statistics.median(values) for values in zip(*runs, strict=True)))


def _once(home: Path, path: Path, size: int, more: str, hyperscan: bool) -> _Shipped:
    shutil.rmtree(home, ignore_errors=True)
    with shipping.agent(home, _INPUT.format(path=path) + more, hyperscan=hyperscan) as agent:
        began_s = time.monotonic()
        _await(agent, size)
        seconds = time.monotonic() - began_s
        return _Shipped(size / MB / agent.cpu_s, size / MB / seconds, agent.peak_bytes / MB)


def _await(agent: shipping.Agent, size: int) -> None:
    deadline = time.monotonic() + SHIP_S
    while (found := agent.ask("/bytes")) < size:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{found} of {size} bytes were shipped in {SHIP_S:.0f} s")
        time.sleep(0.05)
    if found > size:
        raise RuntimeError(f"{found} bytes were shipped of a file of {size}")


def _write(path: Path, megabytes: int) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    wanted = int(megabytes * MB)
    piece = _piece(min(_PIECE_BYTES, wanted))
    with path.open("wb") as file:
        while file.tell() < wanted:
            file.write(piece)
        return file.tell()


def _piece(size: int) -> bytes:
    shop = Shop(_SEED)
    now_ns = time.time_ns()
    lines: list[str] = []
    total = 0
    while total < size:
        said = shop.message() if shop.uniform() > 0.03 else shop.error()
        lines.append(message_line(now_ns + len(lines) * 1_000_000, said))
        total += len(lines[-1])
    return "".join(lines).encode()
