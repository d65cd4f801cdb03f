"""The table of tokens; see schema.py for its columns. Each change counts in `changes`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec
from sqlalchemy import Connection, Row, and_, delete, func, insert, or_, select, update

from tailrace.core import limits
from tailrace.core.access import Scope
from tailrace.core.errors import StoreError
from tailrace.governance import changecount, tokensecret
from tailrace.governance.schema import TOKENS

_c = TOKENS.c
_SUBJECT = "tokens"
_SCOPES = {str(scope): scope for scope in Scope}
State = Literal["active", "expired", "revoked"]


class Token(msgspec.Struct, frozen=True):
    """All but the secret. Times are UTC nanoseconds, 0 for never; `used_ns` is a minute coarse."""

    id: str
    name: str
    tenant: str
    scopes: list[Scope]
    created_ns: int
    expires_ns: int = 0
    revoked_ns: int = 0
    used_ns: int = 0

    def state(self, now_ns: int) -> State:
        """Whether it lets anyone in."""
        if self.revoked_ns:
            return "revoked"
        return "expired" if 0 < self.expires_ns <= now_ns else "active"


def create(
    connection: Connection,
    tenant: str,
    scopes: Iterable[Scope],
    name: str,
    now_ns: int,
    expires_ns: int = 0,
) -> tuple[Token, str]:
    """A new token and its secret, which is nowhere else. Raises StoreError at the bound."""
    oldest_ns = now_ns - int(limits.TOKEN_MEMORY_S * 1e9)
    ended = or_(_c.revoked_ns.between(1, oldest_ns), _c.expires_ns.between(1, oldest_ns))
    connection.execute(delete(TOKENS).where(ended))
    known = connection.execute(select(func.count()).select_from(TOKENS)).scalar_one()
    if known >= limits.TOKENS:
        raise StoreError(f"there are {known} tokens already; share one among more senders")
    token_id, secret = tokensecret.make()
    token = Token(token_id, name, tenant, sorted(set(scopes)), now_ns, expires_ns)
    row = msgspec.structs.asdict(token) | {"scopes": " ".join(token.scopes)}
    connection.execute(insert(TOKENS).values(row | {"digest": tokensecret.digest(secret)}))
    changecount.add(connection, _SUBJECT)
    return token, secret


def listed(connection: Connection) -> list[Token]:
    """All that are remembered, the newest first."""
    found = connection.execute(select(TOKENS).order_by(_c.created_ns.desc(), _c.id))
    return [_token(row) for row in found]


def revoke(connection: Connection, token_id: str, now_ns: int) -> Token | None:
    """The token as it is now, revoked if it was not; None when there is no such token."""
    this = _c.id == token_id
    valid = and_(this, _c.revoked_ns == 0)
    if connection.execute(update(TOKENS).where(valid).values(revoked_ns=now_ns)).rowcount:
        changecount.add(connection, _SUBJECT)
    row = connection.execute(select(TOKENS).where(this)).one_or_none()
    return _token(row) if row else None


def active(connection: Connection, now_ns: int) -> list[tuple[Token, str]]:
    """Those that let someone in, each with the digest of its secret."""
    valid = and_(_c.revoked_ns == 0, or_(_c.expires_ns == 0, _c.expires_ns > now_ns))
    return [(_token(row), row.digest) for row in connection.execute(select(TOKENS).where(valid))]


def used(connection: Connection, when: Mapping[str, int]) -> None:
    """Note when each was used last."""
    for token_id, used_ns in when.items():
        later = and_(_c.id == token_id, _c.used_ns < used_ns)
        connection.execute(update(TOKENS).where(later).values(used_ns=used_ns))


def changes(connection: Connection) -> int:
    """How often tokens were made or revoked."""
    return changecount.read(connection, _SUBJECT)


def _token(row: Row[*tuple[object, ...]]) -> Token:
    # A word of a newer tailrace gives nothing here.
    scopes = [_SCOPES[word] for word in row.scopes.split() if word in _SCOPES]
    times = (row.created_ns, row.expires_ns, row.revoked_ns, row.used_ns)
    return Token(row.id, row.name, row.tenant, scopes, *times)
