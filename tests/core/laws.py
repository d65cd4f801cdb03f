"""One fixture for suites of laws: the same work on every implementation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

Place = AbstractAsyncContextManager[tuple[Any, Any]]
Use = Callable[[Any, Any], Awaitable[None]]


def over(places: Mapping[str, Callable[[Path], Place]]) -> Any:
    """A fixture that runs an async function with what each place gives: an implementation, and
    what goes with it."""

    @pytest.fixture(params=places)
    def run(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Use], None]:
        def use(work: Use) -> None:
            async def main() -> None:
                async with places[request.param](tmp_path) as given:
                    await work(*given)

            asyncio.run(main())

        return use

    return run
