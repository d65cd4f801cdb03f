"""What a credential stands for: a tenant, and what may be done in its name."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from tailrace.core.frame import check_tenant

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


# Everyone, where no authentication is configured: there is one tenant then.
ANYONE = Principal("default", frozenset(Scope) - {Scope.RELAY})


class Authority(Protocol):
    """Who knows the tokens. `principal` must not block: it is asked for every request."""

    def principal(self, secret: str) -> Principal | None: ...


def tenant_of(scope: Mapping[str, Any], named: str) -> str:
    """The tenant of an ASGI scope: what is `named` by one who may, else the credential's."""
    principal = principal_of(scope)
    return named if Scope.RELAY in principal.scopes and check_tenant(named) else principal.tenant


def principal_of(scope: Mapping[str, Any]) -> Principal:
    """Of an ASGI scope that passed the door; ANYONE where the door asks nobody."""
    found: Principal = scope.get(KEY, ANYONE)
    return found
