"""What host metrics cost.

An agent with the input `host` and no other collects every second; another one, with an interval
that never comes, idles. The difference is the price of a collection, way to the sink included; at
the default interval it is paid every 15 seconds.
"""

from __future__ import annotations

import time
from pathlib import Path

from bench import shipping
from bench.figures import Figure, at_most, plain

DEFAULT_S = 15
_OFTEN_S = 1
_SETTLE_S = 3.0


def measure(scratch: Path, seconds: int) -> list[Figure]:
    """`seconds`: how long each agent is watched. Raises RuntimeError."""
    often, peak_mb = _share(scratch / "host", f"{_OFTEN_S}s", seconds)
    idle, _ = _share(scratch / "idle", "1h", seconds)
    price_s = max(0.0, often - idle) * _OFTEN_S
    return [
        plain("host metrics, CPU of a collection", price_s * 1000, "ms"),
        at_most(f"host metrics every {DEFAULT_S} s", 100 * price_s / DEFAULT_S, "%", 0.3),
        plain("host metrics, peak resident", peak_mb, "MB"),
        plain("an idle agent, share of a core", 100 * idle, "%"),
    ]


def _share(home: Path, interval: str, seconds: float) -> tuple[float, float]:
    """Share of a core, and peak memory in MB."""
    with shipping.agent(home, f'type = "host"\ninterval = "{interval}"\n') as agent:
        time.sleep(_SETTLE_S)
        before_s, began_s = agent.cpu_s, time.monotonic()
        time.sleep(seconds)
        share = (agent.cpu_s - before_s) / (time.monotonic() - began_s)
        return share, agent.peak_bytes / 1e6
