"""What clients of Elasticsearch ask before and beside `_bulk`: who is there, and whether their
templates, policies and pipelines are.

Nothing of that is kept: there are no mappings to prepare. Clients are told that it is done.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from tailrace.gateway.door import Door
from tailrace.gateway.elastic import BULK, error_form, said
from tailrace.gateway.way import Way

# Agents of Elastic refuse a server that is older than they are, or that lacks what 8 has.
VERSION = "8.19.0"
_CLUSTER = "tailrace"
_LICENSE = {
    "status": "active",
    "uid": "00000000-0000-0000-0000-000000000000",
    "type": "basic",
    "mode": "basic",
    "issue_date": "2026-01-01T00:00:00.000Z",
    "issue_date_in_millis": 1_767_225_600_000,
    "max_nodes": 1000,
    "issued_to": _CLUSTER,
    "issuer": _CLUSTER,
}
_ROOT = {
    "name": _CLUSTER,
    "cluster_name": _CLUSTER,
    "cluster_uuid": "tailrace-000000000000A",
    "version": {
        "number": VERSION,
        "build_flavor": "default",
        "build_type": "tar",
        "build_hash": "0" * 40,
        "build_date": "2026-01-01T00:00:00.000Z",
        "build_snapshot": False,
        "lucene_version": "9.12.0",
        "minimum_wire_compatibility_version": "7.17.0",
        "minimum_index_compatibility_version": "7.0.0",
    },
    "tagline": "You Know, for Search",
}
_HEALTH = {
    "cluster_name": _CLUSTER,
    "status": "green",
    "timed_out": False,
    "number_of_nodes": 1,
    "number_of_data_nodes": 1,
}
_XPACK = {
    "build": {"hash": "0" * 40, "date": "2026-01-01T00:00:00.000Z"},
    "license": {name: _LICENSE[name] for name in ("uid", "type", "mode", "status")},
    "features": {"ilm": {"available": True, "enabled": True}},
    "tagline": "You know, for X",
}
_ADDRESS = re.compile(r"[\w.:\[\]-]{1,255}", re.ASCII)


def _constant(value: Any) -> Callable[[Door, Request], Awaitable[Response]]:
    encoded = msgspec.json.encode(value)

    async def answer(door: Door, request: Request) -> Response:
        return said(request, encoded)

    return answer


async def nodes(door: Door, request: Request) -> Response:
    """One node, at the address that the client came to: what it finds there it can use."""
    address = request.headers.get("host", "")
    if not _ADDRESS.fullmatch(address):
        address = "127.0.0.1:9200"
    if not re.search(r":\d+$", address):
        address += ":443" if request.url.scheme == "https" else ":80"
    node = {
        "name": _CLUSTER,
        "version": VERSION,
        "roles": ["data", "ingest", "master"],
        "http": {"bound_address": [address], "publish_address": address},
        "ingest": {"processors": []},
    }
    return said(request, msgspec.json.encode({"cluster_name": _CLUSTER, "nodes": {_CLUSTER: node}}))


async def setup(door: Door, request: Request) -> Response:
    """It is there, and whatever is put there is taken. The bodies are read and forgotten."""
    if request.method in ("GET", "HEAD"):
        return said(request, b"{}")
    async with door.bodies.read(request):
        return said(request, b'{"acknowledged":true,"shards_acknowledged":true}')


class _Root(Route):
    """`/`, but for browsers, which are served the page."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        accept = b",".join(value for name, value in scope.get("headers", ()) if name == b"accept")
        if b"text/html" in accept:
            return Match.NONE, {}
        return _whole(super().matches(scope))


class _Index(Route):
    """`/INDEX`, where that is no path of the system: with a method of its own or not at all."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, found = super().matches(scope)
        if match is not Match.NONE and found["path_params"]["index"].startswith("_"):
            return Match.NONE, {}
        return _whole((match, found))


def _whole(found: tuple[Match, Scope]) -> tuple[Match, Scope]:
    """No match in part: what else is at this path answers other methods."""
    return found if found[0] is Match.FULL else (Match.NONE, {})


class _Special(Way, frozen=True):
    """A way whose route looks at more than the path."""

    route: type[Route] = Route

    def routes(self, door: Door) -> list[Route]:
        methods = list(self.methods)
        return [
            self.route(usual.path, usual.endpoint, methods=methods)
            for usual in super().routes(door)
        ]


_KIND = "elastic_setup"
_READ = ("GET", "HEAD")
_KEPT = (
    "/_index_template/{name}",
    "/_component_template/{name}",
    "/_template/{name}",
    "/_ilm/policy/{name}",
    "/_ingest/pipeline/{name}",
    "/_data_stream/{name}",
    "/_alias/{name}",
    "/{index}/_alias/{name}",
)
_NODES = ("/_nodes", "/_nodes/{what}", "/_nodes/{which}/{what}")

WAYS = (
    BULK,
    _Special(_KIND, ("/",), _constant(_ROOT), error_form, _READ, route=_Root),
    Way(_KIND, ("/_license",), _constant({"license": _LICENSE}), error_form, _READ),
    Way(_KIND, ("/_xpack",), _constant(_XPACK), error_form, _READ),
    Way(_KIND, ("/_cluster/health",), _constant(_HEALTH), error_form, _READ),
    Way(_KIND, ("/_cluster/settings",), setup, error_form, (*_READ, "PUT")),
    Way(_KIND, _NODES, nodes, error_form, _READ),
    Way(_KIND, _KEPT, setup, error_form, (*_READ, "PUT", "POST")),
    _Special(_KIND, ("/{index}",), setup, error_form, ("HEAD", "PUT"), route=_Index),
)
