"""The fixture `start`: a server that is ready, killed when its test ends."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
# Where bodies.py and mutations.py are.
sys.path.append(str(Path(__file__).parents[1] / "wire"))

from running import Server, Start


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """`start(home=tmp_path, **environment)`: a server that is killed with the test."""
    servers: list[Server] = []

    def run(home: Path = tmp_path, **environment: str) -> Server:
        server = Server(home, **environment)
        servers.append(server)
        server.start()
        return server

    yield run
    for server in servers:
        server.kill()
