"""Whether a configuration can be started with: all that a start refuses before it opens anything.

The parts are made as a start makes them, so that nothing is refused there that is valid here. What
only the network, the control store or another process can tell is not asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tailrace.app.agent import check_agent
from tailrace.app.claims import check_directories
from tailrace.app.config import Config
from tailrace.core.clock import SystemClock
from tailrace.core.contracts import BoundedSink, Receipt
from tailrace.core.frame import Frame
from tailrace.core.metrics import Metrics


class _Nowhere(BoundedSink):
    """Takes nothing."""

    async def accept(self, frames: Sequence[Frame]) -> Receipt:
        raise NotImplementedError

    async def close(self, deadline_s: float) -> None:
        return

    def pressure(self) -> float:
        return 1.0

    def ready(self) -> bool:
        return False


def check(config: Config) -> None:
    """Raises ConfigError that names the setting; ImportError where only the agent is installed,
    when all that is an agent's is valid."""
    check_directories(config)
    check_agent(config)
    _check_server(config)


def _check_server(config: Config) -> None:
    from tailrace.app.control import control_store
    from tailrace.app.front import Front
    from tailrace.app.gateway import upstream
    from tailrace.app.guarding import Guarding
    from tailrace.app.keyring import master_key

    clock, metrics, sink = SystemClock(), Metrics(), _Nowhere()
    control = control_store(config.server)
    Front(config, Path(config.server.data_dir), control, clock, metrics, sink)
    Guarding(config, control, clock, metrics, sink)
    master_key(config).check()
    if config.gateway.upstream:
        upstream(config.gateway, clock)
