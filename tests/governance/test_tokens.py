"""Tokens in the real control store of both kinds: made, known, revoked, expired, and when it
fails."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from places import Place

from tailrace.core import limits
from tailrace.core.access import Principal, Scope
from tailrace.core.clock import ManualClock
from tailrace.core.errors import Busy, StoreError
from tailrace.core.metrics import Metrics
from tailrace.governance import tokensecret, tokentable
from tailrace.governance.control import Control
from tailrace.governance.schema import CHANGES, TOKENS
from tailrace.governance.tokens import Tokens
from tailrace.governance.tokentable import Token

DAY_NS = 86_400 * 10**9


class Store:
    """A server's tokens, and a command beside it on the same store."""

    def __init__(self, control: Control, command: Control) -> None:
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.control = control
        self.command = command
        self.tokens = Tokens(control, self.clock, self.metrics)

    async def create(self, *scopes: Scope, expires_ns: int = 0) -> tuple[Token, str]:
        now_ns = self.clock.wall_ns()
        return await self.command.run(
            lambda c: tokentable.create(c, "shop", scopes, "web", now_ns, expires_ns)
        )

    async def revoke(self, token_id: str) -> Token | None:
        now_ns = self.clock.wall_ns()
        return await self.command.run(lambda c: tokentable.revoke(c, token_id, now_ns))

    async def listed(self) -> list[Token]:
        return await self.command.read(tokentable.listed)


def run(place: Place, use: Callable[[Store], Awaitable[None]]) -> None:
    async def main() -> None:
        control, command = place.control(), place.control(owner=False)
        await control.open()
        await command.open()
        store = Store(control, command)
        await store.tokens.open()
        await use(store)
        await command.close()
        await control.close()

    asyncio.run(main())


def test_a_token_made_by_another_process_is_known_at_the_next_look(place: Place) -> None:
    async def use(store: Store) -> None:
        assert len(store.tokens) == 0
        token, secret = await store.create(Scope.QUERY, Scope.INGEST, Scope.QUERY)
        assert re.fullmatch(r"tr_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", secret)
        assert store.tokens.principal(secret) is None
        await store.tokens.look()
        both = frozenset({Scope.INGEST, Scope.QUERY})
        assert store.tokens.principal(secret) == Principal("shop", both, "web")
        assert (await store.revoke(token.id)) is not None
        await store.tokens.look()
        assert store.tokens.principal(secret) is None
        assert (await store.listed())[0].state(store.clock.wall_ns()) == "revoked"

    run(place, use)


def test_the_secret_is_nowhere_in_the_file(tmp_path: Path) -> None:
    async def use(store: Store) -> None:
        _, secret = await store.create(Scope.INGEST)
        await store.tokens.look()
        assert store.tokens.principal(secret)
        for path in tmp_path.iterdir():
            assert secret[16:].encode() not in path.read_bytes(), path

    run(Place(tmp_path), use)


def test_another_secret_of_the_same_id_is_nobody(place: Place) -> None:
    async def use(store: Store) -> None:
        _, secret = await store.create(Scope.INGEST)
        await store.tokens.look()
        other = secret[:-1] + ("A" if secret[-1] != "A" else "B")
        for wrong in (other, secret + "x", secret[:-1], secret.upper(), "", "\ud800", "\0"):
            assert store.tokens.principal(wrong) is None

    run(place, use)


def test_an_expired_token_is_nobody_from_that_moment_on(place: Place) -> None:
    async def use(store: Store) -> None:
        token, secret = await store.create(
            Scope.INGEST, expires_ns=store.clock.wall_ns() + 10 * 10**9
        )
        await store.tokens.look()
        store.clock.advance(9.9)
        assert store.tokens.principal(secret)
        store.clock.advance(0.1)
        assert store.tokens.principal(secret) is None
        assert token.state(store.clock.wall_ns()) == "expired"

    run(place, use)


def test_revoking_again_changes_nothing_and_an_unknown_id_is_told(place: Place) -> None:
    async def use(store: Store) -> None:
        token, _ = await store.create(Scope.INGEST)
        first = await store.revoke(token.id)
        store.clock.advance(5.0)
        assert await store.revoke(token.id) == first
        assert await store.revoke("unknown") is None
        assert await store.revoke("' OR 1=1 --") is None
        assert await store.control.read(tokentable.changes) == 2

    run(place, use)


def test_the_last_use_is_noted_once_a_minute(place: Place) -> None:
    async def use(store: Store) -> None:
        _, secret = await store.create(Scope.INGEST)
        await store.tokens.look()
        store.tokens.principal(secret)
        await store.tokens.look()
        assert (await store.listed())[0].used_ns == 0
        used_ns = store.clock.wall_ns()
        store.clock.advance(60.0)
        await store.tokens.look()
        assert (await store.listed())[0].used_ns == used_ns
        store.tokens.principal(secret)
        await store.tokens.close()
        assert (await store.listed())[0].used_ns == store.clock.wall_ns()

    run(place, use)


def test_the_known_stay_valid_for_a_while_when_the_store_fails(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    async def use(store: Store) -> None:
        _, secret = await store.create(Scope.INGEST)
        await store.tokens.look()
        await store.command.run(CHANGES.drop)
        store.clock.advance(limits.TOKENS_KEPT_S)
        await store.tokens.look()
        assert "tokens cannot be read" in caplog.text
        assert store.metrics.get("tailrace_tokens_age_seconds") == limits.TOKENS_KEPT_S
        assert store.tokens.principal(secret)
        store.clock.advance(1.0)
        with pytest.raises(Busy):
            store.tokens.principal(secret)
        assert store.tokens.principal("no token of ours") is None
        await store.command.run(CHANGES.create)
        await store.tokens.look()
        assert store.tokens.principal(secret)
        assert secret not in caplog.text

    run(place, use)


def test_there_is_an_end_to_tokens_and_old_ended_ones_go(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TOKENS", 2)

    async def use(store: Store) -> None:
        first, _ = await store.create(Scope.INGEST)
        await store.create(Scope.INGEST, expires_ns=store.clock.wall_ns() + DAY_NS)
        with pytest.raises(StoreError, match="2 tokens already"):
            await store.create(Scope.INGEST)
        await store.revoke(first.id)
        store.clock.advance(limits.TOKEN_MEMORY_S + 2 * 86_400)
        await store.create(Scope.INGEST)
        assert len(await store.listed()) == 1

    run(place, use)


def test_a_scope_of_a_newer_tailrace_gives_nothing(place: Place) -> None:
    async def use(store: Store) -> None:
        _, secret = await store.create(Scope.INGEST)
        scopes: dict[str, Any] = {"scopes": "ingest fly"}
        await store.command.run(lambda c: c.execute(TOKENS.update().values(scopes)))
        await store.control.run(lambda c: c.execute(CHANGES.update().values(number=9)))
        await store.tokens.look()
        found = store.tokens.principal(secret)
        assert found and found.scopes == {Scope.INGEST}

    run(place, use)


def test_secrets_are_told_apart_from_other_text() -> None:
    token_id, secret = tokensecret.make()
    assert tokensecret.id_of(secret) == token_id
    assert tokensecret.make()[1] != secret
    assert tokensecret.id_of(secret + "\n") is None
    assert len(tokensecret.digest(secret)) == 64
