"""What a credential stands for: a tenant, and what may be done in its name."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from tailrace.core.errors import Forbidden
from tailrace.core.frame import check_tenant

# Of every token that is made here: a text that begins so was meant to be one.
PREFIX = "tr_"
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
    """Who knows the tokens. `principal` must not block: it is asked for every request.

    It gives None for a secret that lets nobody in, and raises Busy when it cannot tell.
    """

    def principal(self, secret: str) -> Principal | None: ...


class StaticToken:
    """An Authority that knows one secret."""

    def __init__(self, secret: str, principal: Principal) -> None:
        self._secret = secret.encode()
        self._principal = principal

    def principal(self, secret: str) -> Principal | None:
        """See Authority."""
        given = secret.encode(errors="replace")
        return self._principal if hmac.compare_digest(given, self._secret) else None


class Authorities:
    """An Authority of several: who one of them knows is known."""

    def __init__(self, *members: Authority) -> None:
        self._members = members

    def principal(self, secret: str) -> Principal | None:
        """See Authority."""
        for member in self._members:
            if found := member.principal(secret):
                return found
        return None


def allow(principal: Principal, scope: Scope) -> None:
    """Raises Forbidden when `principal` may not do this."""
    if scope not in principal.scopes:
        raise Forbidden(f'this token may not do that: it needs the scope "{scope}"', "scope")


def tenant_of(scope: Mapping[str, Any], named: str) -> str:
    """The tenant of an ASGI scope: what is `named` by one who may, else the credential's."""
    principal = principal_of(scope)
    return named if Scope.RELAY in principal.scopes and check_tenant(named) else principal.tenant


def principal_of(scope: Mapping[str, Any]) -> Principal:
    """Of an ASGI scope that passed the door; ANYONE where the door asks nobody."""
    found: Principal = scope.get(KEY, ANYONE)
    return found
