"""One engine for each file of tests: a process owns one directory at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tailrace.store.engine import Engine
from tailrace.store.logs import LogTable

from .archived import Place
from .expiring import In, Server

TABLES = (
    "logs", "bulk_rows", "spans", "bulk_spans", "samples", "bulk_samples", "series", "exemplars",
    "frames", "ledger", "ledger_open", "ledger_said", "frame_numbers",
)  # fmt: skip
Body = Callable[[LogTable, Engine], Awaitable[None]]
Use = Callable[[Body], None]
Kept = Callable[[Callable[[Place], Awaitable[None]]], None]


@pytest.fixture(scope="module")
def use(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Use]:
    """Runs a test's body with the empty table `logs` and its engine."""
    directory = tmp_path_factory.mktemp("engine")
    with asyncio.Runner() as runner:
        engine = Engine(directory)
        runner.run(engine.open())

        async def whole(body: Body) -> None:
            table = LogTable(engine, "logs", "hot", Path(directory))
            for name in TABLES:
                await engine.write(f"TRUNCATE TABLE {name}")
            await body(table, engine)

        yield lambda body: runner.run(whole(body))
        runner.run(engine.close())


@pytest.fixture
def archived(use: Use, tmp_path: Path) -> Kept:
    """Runs a test's body with an empty archive, and who looks after it."""

    def run(body: Callable[[Place], Awaitable[None]]) -> None:
        async def whole(_table: LogTable, engine: Engine) -> None:
            place = Place(engine, tmp_path)
            await place.open()
            await body(place)

        use(whole)

    return run


@pytest.fixture
def server(use: Use, tmp_path: Path) -> In:
    def run(body: Callable[[Server], Awaitable[None]]) -> None:
        async def whole(_: Any, engine: Engine) -> None:
            found = Server(engine, tmp_path)
            await found.restart()
            await body(found)

        use(whole)

    return run
