"""How a command works on the control store of the configuration, beside a running server or
without one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tailrace.app.config import Server
from tailrace.core.errors import ConfigError

if TYPE_CHECKING:
    from tailrace.governance.control import Control

_T = TypeVar("_T")


def in_store(server: Server, work: Callable[[Control], Awaitable[_T]]) -> _T:
    """`work` on the control store while it is open. Raises ConfigError, StoreError, OSError."""
    from tailrace.app.control import control_store

    if not server.control:
        _check_owner(Path(server.data_dir).resolve())

    async def opened() -> _T:
        control = control_store(server, owner=False)
        await control.open()
        try:
            return await work(control)
        finally:
            await control.close()

    return asyncio.run(opened())


def _check_owner(data: Path) -> None:
    """Files of another user than the server's would keep the server out."""
    if data.exists() and data.stat().st_uid != os.geteuid():
        raise ConfigError(
            f"server.data_dir: {data} belongs to user {data.stat().st_uid}; run this as that one"
        )
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
