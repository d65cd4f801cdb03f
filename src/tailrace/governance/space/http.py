"""GET /api/v1/space: how full the disks are, who uses them, when they will be full."""

from __future__ import annotations

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from tailrace.core.clock import Clock
from tailrace.governance.answers import answered
from tailrace.governance.space.marks import Level
from tailrace.governance.space.trend import LONGEST_S
from tailrace.governance.space.usage import Usage
from tailrace.governance.space.watch import Watch, Watched

PATH = "/api/v1/space"


def routes(watch: Watch, usage: Usage, clock: Clock) -> list[BaseRoute]:
    """One route, about the whole server."""

    async def space(_request: Request) -> object:
        return {
            "places": [_place(one, clock.wall_ns()) for one in watch.watched],
            "used": await usage.listed(),
        }

    return [Route(PATH, answered(space))]


def _place(one: Watched, now_ns: int) -> dict[str, object]:
    full_s = one.full_s
    near = full_s is not None and full_s < LONGEST_S
    growth = one.growth.bytes_per_day
    return {
        "name": one.place.name,
        "path": str(one.place.path),
        "size_bytes": one.disk.size_bytes,
        "free_bytes": one.disk.free_bytes,
        "level": one.level.name.lower(),
        "refused": {"bulk": one.refused(late=True), "hot": one.refused(late=False)},
        "free_bytes_at": {level.name.lower(): one.free_at(level) for level in Level if level},
        "growth_bytes_per_day": None if growth is None else round(growth),
        "full_s": full_s if near else None,
        "full_ns": now_ns + int(full_s * 1e9) if near and full_s is not None else None,
    }
