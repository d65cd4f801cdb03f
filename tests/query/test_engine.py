"""The engine of this room's tests is held to the laws of the store's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ..store.enginelaws import LAWS


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_a_law_of_engines_holds(law: Callable[[Any], Awaitable[None]], engine: Any) -> None:
    asyncio.run(law(engine))
