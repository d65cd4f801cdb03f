"""A way in: the paths of one request of one protocol, and what answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tailrace.core.access import Scope
from tailrace.gateway.answers import Form, answered
from tailrace.gateway.door import Door

Take = Callable[[Door, Request], Awaitable[Response]]


class Way(msgspec.Struct, frozen=True):
    """`kind` labels the requests in metrics; `form` is how this protocol's clients read errors.

    `needed`: what a token must be for.
    """

    kind: str
    paths: tuple[str, ...]
    take: Take
    form: Form
    methods: tuple[str, ...] = ("POST",)
    needed: Scope = Scope.INGEST

    def routes(self, door: Door) -> list[Route]:
        """One for each path."""
        answer = answered(door, partial(self.take, door), self.form, self.kind, self.needed)
        return [Route(path, answer, methods=list(self.methods)) for path in self.paths]
