"""Answers that are sent while they are made."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

_T = TypeVar("_T")


async def begun(items: AsyncGenerator[_T, None]) -> AsyncGenerator[_T, None]:
    """The same items, when the first is there or it is known that there is none.

    What goes wrong before the first is raised here, where it can still become a status: once an
    answer has begun, an error can only break it off. Closing the result closes `items`.
    """
    try:
        first = await anext(items)
    except StopAsyncIteration:
        return items
    return _from(first, items)


async def _from(first: _T, items: AsyncGenerator[_T, None]) -> AsyncGenerator[_T, None]:
    async with aclosing(items):
        yield first
        async for item in items:
            yield item
