"""Who the machine is, from its own files and environment."""

from __future__ import annotations

import socket
from pathlib import Path

_MACHINE_ID = Path("/etc/machine-id")


def identity() -> dict[str, str]:
    """`host.name`, and `host.id` where the machine has one."""
    found = {"host.name": socket.gethostname()}
    try:
        machine = _MACHINE_ID.read_text().strip()
    except OSError:
        return found
    return {**found, "host.id": machine} if machine else found
