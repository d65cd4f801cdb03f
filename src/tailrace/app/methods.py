"""One route for each path, so that a method which it has not is told of all that it has."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send


def by_path(routes: Iterable[BaseRoute]) -> list[BaseRoute]:
    """Where several routes of one path take other methods each, one that takes all of them."""
    found: dict[object, list[BaseRoute]] = {}
    for route in routes:
        key = route.path if isinstance(route, Route) else object()
        found.setdefault(key, []).append(route)
    return [one for several in found.values() for one in _joined(several)]


def _joined(routes: Sequence[BaseRoute]) -> Sequence[BaseRoute]:
    each = [one for one in routes if isinstance(one, Route)]
    if len(each) < 2 or not _are_apart(each):
        return routes
    joined = copy.copy(each[0])
    joined.methods = set().union(*(one.methods or () for one in each))
    joined.app = _ByMethod(each)
    return [joined]


def _are_apart(routes: Sequence[Route]) -> bool:
    """Whether each method is of one route alone: else the first one has them."""
    methods = [method for one in routes for method in one.methods or ()]
    return len(set(methods)) == len(methods) and all(one.methods for one in routes)


class _ByMethod:
    """The application of the first route that takes the method."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._apps = {method: one.app for one in reversed(routes) for method in one.methods or ()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._apps[scope["method"]](scope, receive, send)
