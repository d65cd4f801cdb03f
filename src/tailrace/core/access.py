"""What a credential stands for: a tenant, and what may be done in its name."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Protocol

import msgspec

# Where the door of a process leaves the principal of a connection, in its ASGI scope.
KEY = "tailrace.principal"


class Scope(StrEnum):
    """INGEST: send. QUERY: read. ADMIN: see and change how the system is. ERASE: have data
    forgotten. RELAY: send in the name of any tenant, which only another gateway may."""

    INGEST = "ingest"
    QUERY = "query"
    ADMIN = "admin"
    ERASE = "erase"
    RELAY = "relay"


class Principal(msgspec.Struct, frozen=True):
    """Who is there. `name` is that of the token, for logs and counts; it is no secret."""

    tenant: str
    scopes: frozenset[Scope]
    name: str = ""


# Everyone, where no authentication is configured.
ANYONE = Principal("default", frozenset(Scope))


class Authority(Protocol):
    """Who knows the tokens. `principal` must not block: it is asked for every request."""

    def principal(self, secret: str) -> Principal | None: ...


def principal_of(scope: Mapping[str, Any]) -> Principal:
    """Of an ASGI scope that passed the door; ANYONE where the door asks nobody."""
    found: Principal = scope.get(KEY, ANYONE)
    return found
