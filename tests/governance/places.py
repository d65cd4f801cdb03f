"""A store that several processes open, each through a Control of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from tailrace.governance.control import Control
from tailrace.governance.postgresql import Postgresql


class Place:
    """`at`: a directory, or the URI of a database."""

    def __init__(self, at: Path | str) -> None:
        self.at = at

    def control(self, owner: bool = True) -> Control:
        return Control(self.at if isinstance(self.at, Path) else Postgresql(self.at), owner)

    def use(self, work: Callable[[Control], Awaitable[None]], owner: bool = True) -> None:
        """`work` on an open one."""

        async def main() -> None:
            control = self.control(owner)
            try:
                await control.open()
                await work(control)
            finally:
                await control.close()

        asyncio.run(main())


async def nothing(control: Control) -> None: ...
