"""The real command `tailrace agent`, started by tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

COMMAND = Path(sys.executable).with_name("tailrace")
CONFIG = """[agent]
directory = "{home}/state"
gateways = ["{gateway}"]
poll_interval = "10ms"
flush_interval = "10ms"

[[agent.inputs]]
{input}
"""


def launch(
    config: Path, log: Path | None = None, inside: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    """`log` gets its own log; `inside` is a command that runs it somewhere else."""
    command = [*inside, str(COMMAND), "agent", "--config", str(config)]
    if log is None:
        return subprocess.Popen(command, stderr=subprocess.DEVNULL)
    with log.open("ab") as kept:
        return subprocess.Popen(command, stderr=kept)
