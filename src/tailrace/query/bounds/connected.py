"""Work for a client, as long as there is one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.types import Receive

_T = TypeVar("_T")


class Gone(Exception):
    """The client went away; nobody waits for an answer."""


async def while_connected(receive: Receive, work: Awaitable[_T]) -> _T:
    """What `work` gives. Raises Gone when the client leaves before; `work` is then cancelled and
    has ended.

    Nothing else may `receive` meanwhile: what still comes of a body is passed over.
    """
    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(left(receive))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Gone
        return working.result()
    finally:
        watching.cancel()
        if working.cancel():
            await asyncio.wait({working})


async def left(receive: Receive) -> None:
    """Until the client is gone; what it still says is passed over."""
    while not (await receive())["type"].endswith(".disconnect"):
        pass
