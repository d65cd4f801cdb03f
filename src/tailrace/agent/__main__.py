"""`python -m tailrace.agent SETTINGS.json`: an agent alone, without the rest of the command."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

import msgspec

from tailrace.agent.agent import Agent
from tailrace.agent.settings import AgentSettings
from tailrace.core import log
from tailrace.core.clock import SystemClock
from tailrace.core.metrics import Metrics


def main() -> None:
    """Tail and ship until SIGINT or SIGTERM."""
    log.configure()
    settings = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=AgentSettings)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    agent = Agent(settings, SystemClock(), Metrics())
    agent.start()
    stop.wait()
    agent.stop(10.0)


if __name__ == "__main__":
    main()
