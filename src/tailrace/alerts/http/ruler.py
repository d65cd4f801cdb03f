"""Where rules are listed and edited: the endpoints of Loki's ruler, as Grafana and its tools ask.

    GET     PREFIX                    groups by namespace, YAML
    GET     PREFIX/{namespace}        those of one
    GET     PREFIX/{namespace}/{group}
    POST    PREFIX/{namespace}        one group as YAML: begins or replaces it; 202
    DELETE  PREFIX/{namespace}[/{group}]                                      202

Source: https://grafana.com/docs/loki/latest/reference/loki-http-api/#ruler. Groups of files are
listed and cannot be changed here. The namespace of a file is its path: in a request its slashes are
escaped, `%2Fetc%2Frules%2Fshop.yml`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import unquote

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from tailrace.alerts.rule import Group, Language
from tailrace.alerts.rules.book import Rulebook
from tailrace.alerts.rules.writer import write_folders, write_group
from tailrace.core import limits
from tailrace.core.access import principal_of
from tailrace.core.errors import InputError, StoreError, TooLarge
from tailrace.core.log import get

_log = get("alerts")
_YAML = "application/yaml"
# What expressions are in that could be of two languages, by who asks.
PREFIXES: dict[str, Language] = {
    "/loki/api/v1/rules": "logql",
    "/api/prom/rules": "logql",
    "/prometheus/config/v1/rules": "promql",
}
Handler = Callable[[Request], Awaitable[Response]]


class Ruler:
    """`reload` is awaited after a change: then the rules are evaluated."""

    def __init__(self, book: Rulebook, reload: Callable[[], Awaitable[None]]) -> None:
        self._book = book
        self._reload = reload

    def reading(self) -> list[BaseRoute]:
        """For those who may ask."""
        return [
            _Escaped(prefix + path, _answered(handler, language), methods=["GET"])
            for prefix, language in PREFIXES.items()
            for path, handler in (
                ("", self._all),
                ("/{folder}/{group}", self._group),
                ("/{folder}", self._folder),
            )
        ]

    def changing(self) -> list[BaseRoute]:
        """For those who may change what a tenant is alerted of."""
        return [
            _Escaped(prefix + path, _answered(handler, language), methods=[method])
            for prefix, language in PREFIXES.items()
            for path, method, handler in (
                ("/{folder}", "POST", self._put),
                ("/{folder}/{group}", "DELETE", self._delete),
                ("/{folder}", "DELETE", self._delete),
            )
        ]

    def _of(self, request: Request) -> list[Group]:
        tenant = principal_of(request.scope).tenant
        return [group for group in self._book.groups if group.tenant == tenant]

    async def _all(self, request: Request, language: Language) -> Response:
        return _listed(self._of(request), language)

    async def _folder(self, request: Request, language: Language) -> Response:
        folder = request.path_params["folder"]
        return _listed([one for one in self._of(request) if one.folder == folder], language)

    async def _group(self, request: Request, language: Language) -> Response:
        wanted = (request.path_params["folder"], request.path_params["group"])
        for group in self._of(request):
            if (group.folder, group.name) == wanted:
                return Response(write_group(group, language), media_type=_YAML)
        return _said("group does not exist", 404)

    async def _put(self, request: Request, language: Language) -> Response:
        text = await _body(request)
        tenant, folder = principal_of(request.scope).tenant, request.path_params["folder"]
        await self._book.put(tenant, folder, text, language)
        await self._reload()
        return _done()

    async def _delete(self, request: Request, language: Language) -> Response:
        tenant = principal_of(request.scope).tenant
        found = await self._book.delete(
            tenant, request.path_params["folder"], request.path_params.get("group", "")
        )
        if not found:
            return _said("group does not exist, or is in a file of the server's", 404)
        await self._reload()
        return _done()


class _Escaped(Route):
    """A route whose parts are told apart before their escapes are read: one may hold a slash."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        as_sent = scope["raw_path"].decode("ascii", "replace")
        match, found = super().matches({**scope, "path": as_sent})
        if match is not Match.NONE:
            parts = found["path_params"].items()
            found["path_params"] = {name: unquote(part) for name, part in parts}
        return match, found


def _done() -> Response:
    body = {"status": "success", "data": None, "errorType": "", "error": ""}
    return Response(msgspec.json.encode(body), 202, media_type="application/json")


def _listed(groups: Sequence[Group], language: Language) -> Response:
    if not groups:
        return _said("no rule groups found", 404)
    return Response(write_folders(groups, language), media_type=_YAML)


def _said(message: str, status: int) -> Response:
    return Response(message + "\n", status, media_type="text/plain")


async def _body(request: Request) -> bytes:
    """Raises TooLarge."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limits.RULE_TEXT_CHARS:
            raise TooLarge(f"a group has at most {limits.RULE_TEXT_CHARS} bytes (RULE_TEXT_CHARS)")
        parts.append(part)
    return b"".join(parts)


def _answered(
    handler: Callable[[Request, Language], Awaitable[Response]], language: Language
) -> Handler:
    async def answer(request: Request) -> Response:
        try:
            return await handler(request, language)
        except InputError as error:
            return _said(str(error), error.status)
        except StoreError as error:
            _log.error("rules cannot be kept", extra={"why": str(error)})
            return _said("rules cannot be kept just now; try again", 503)

    return answer
