"""`weekly_baseline` and `weekly_robust_zscore`, of PromQL and LogQL, at the times of weeks.py."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tailrace.core.errors import QueryError
from tailrace.core.limits import QUERY_VALUES
from tailrace.query.bounds.question import remark
from tailrace.query.matrix.confidence import is_estimate
from tailrace.query.matrix.matrix import Matrix, nothing
from tailrace.query.matrix.pieces import columns
from tailrace.query.matrix.weekly import baseline, robust_zscore
from tailrace.query.plan import Grid
from tailrace.query.weeks import ZSCORE, looks

_OF_SAMPLES = "{} of sampled rows: how sure it is is not known"


async def weekly(
    function: str, weeks: int, on: Grid, inner: Callable[[Grid], Awaitable[Matrix]]
) -> Matrix:
    """The value of a function at every step of `on`; `inner` gives that of what it is of, at the
    steps of any grid. Raises QueryError, and what `inner` raises."""
    now = await inner(on) if function == ZSCORE else nothing(on.steps)
    found: list[list[Matrix]] = []
    held = 0
    for week in range(1, weeks + 1):
        found.append([])
        for look in looks(function, week, on):
            # Nothing is older than 1970.
            read = look.grid
            past = await inner(read) if read.last_ns >= 0 else nothing(read.steps)
            found[-1] += [columns(past, start, start + on.steps) for start in look.starts]
            held += len(past.labels) * on.steps * len(look.starts)
            _check(function, held)
    if any(map(is_estimate, [now, *(one for week in found for one in week)])):
        remark(_OF_SAMPLES.format(function))
    return robust_zscore(now, found) if function == ZSCORE else baseline(found)


def _check(function: str, held: int) -> None:
    if held > QUERY_VALUES:
        raise QueryError(
            f"{function} needs more than {QUERY_VALUES} single values (QUERY_VALUES); "
            "use fewer series, fewer weeks or a longer step"
        )
