"""What was taken in before a start and is not in the store yet: rules wait for it.

The slots of while nothing ran are evaluated once. Without the rows that came just before the end of
the last process they would say that nothing happened then.
"""

from __future__ import annotations

from tailrace.core import limits
from tailrace.core.contracts import Feed
from tailrace.core.log import get

_log = get("alerts")


async def await_backlog(feed: Feed) -> None:
    """Until what is durable now can be asked for, or that takes too long."""
    if not await feed.stored(limits.RULE_BACKLOG_S):
        _log.warning("rules are evaluated before the store has all that came before the start")
