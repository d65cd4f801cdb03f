"""The fixtures `postgresql`, a real server, and `place`: a store in a file, one in PostgreSQL."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

sys.path.insert(0, str(Path(__file__).parent))
# Where servers.py is.
sys.path.append(str(Path(__file__).parents[1] / "wire"))

from places import Place
from servers import Postgresql, postgresql_server

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgresql]:
    with postgresql_server() as server:
        yield server


def run(server: Postgresql, statement: str) -> None:
    with psycopg.connect(server.uri("postgres"), autocommit=True) as connection:
        connection.execute(statement)


@pytest.fixture
def database(postgresql: Postgresql) -> str:
    """The URI of an empty database."""
    name = f"control{next(_numbers)}"
    run(postgresql, f"CREATE DATABASE {name}")
    return postgresql.uri(name)


@pytest.fixture
def schema(postgresql: Postgresql) -> str:
    """The URI of an empty schema, which costs less than a database."""
    name = f"control{next(_numbers)}"
    run(postgresql, f"CREATE SCHEMA {name}")
    return f"{postgresql.uri('postgres')}&options=-csearch_path%3D{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty store; everything that goes through Control holds for both kinds."""
    if request.param == "sqlite":
        return Place(tmp_path / "control")
    return Place(request.getfixturevalue("schema"))
