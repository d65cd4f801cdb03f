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

# What is killed there is the command as users start it, see nursery.py.
_CRASHES = frozenset({"test_crash", "test_kills"})


@pytest.fixture
def start(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Start]:
    """`start(home=tmp_path, **environment)`: a server that is killed with the test."""
    servers: list[Server] = []
    crashes = request.module.__name__.rpartition(".")[2] in _CRASHES

    def run(home: Path = tmp_path, **environment: str) -> Server:
        server = Server(home, **environment)
        server.forked = server.forked and not crashes
        servers.append(server)
        server.start()
        return server

    yield run
    for server in servers:
        server.kill()
