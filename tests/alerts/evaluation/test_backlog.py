"""Rules wait for what came before a start."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tailrace.alerts.evaluation.backlog import await_backlog
from tailrace.core import limits
from tailrace.core.contracts import Follower
from tailrace.core.frame import Header


class Late:
    """A feed whose store is there after `needs_s`."""

    def __init__(self, needs_s: float) -> None:
        self.needs_s = needs_s

    def follow(self, wanted: Callable[[Header], bool], held_bytes: int) -> Follower:
        raise NotImplementedError

    async def stored(self, timeout_s: float) -> bool:
        return self.needs_s <= timeout_s


@pytest.mark.parametrize(
    ("needs_s", "said"),
    [(limits.RULE_BACKLOG_S, False), (limits.RULE_BACKLOG_S + 1, True)],
)
def test_a_backlog_is_waited_for_and_a_long_one_is_not(
    needs_s: float, said: bool, caplog: pytest.LogCaptureFixture
) -> None:
    asyncio.run(await_backlog(Late(needs_s)))
    assert ("before the store has all" in caplog.text) == said
