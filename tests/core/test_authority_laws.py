"""The laws of an Authority. Every implementation is held to them, and those that the gateway is
tested with; add one to `AUTHORITIES`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tailrace.core import limits
from tailrace.core.access import Authorities, Authority, Principal, Scope, StaticToken
from tailrace.core.clock import ManualClock
from tailrace.core.errors import Busy
from tailrace.core.metrics import Metrics
from tailrace.governance import tokentable
from tailrace.governance.control import Control
from tailrace.governance.tokens import Tokens

from ..gateway.neighbours import SHOP, Book

Fail = Callable[[], None]
# Who is known, by which secret, and how to have it that nobody can tell.
Known = tuple[Authority, str, Fail]
INGEST = frozenset({Scope.INGEST})


def static(_: Path) -> Known:
    return StaticToken(SHOP, Principal("shop", INGEST)), SHOP, lambda: None


def fake(_: Path) -> Known:
    book = Book()

    def fail() -> None:
        book.failure = Busy("not just now", 1.0)

    return book, SHOP, fail


def tokens(path: Path) -> Known:
    clock = ManualClock()

    async def main() -> tuple[Tokens, str]:
        control = Control(path)
        await control.open()
        _, secret = await control.run(
            lambda c: tokentable.create(c, "shop", INGEST, "web", clock.wall_ns())
        )
        found = Tokens(control, clock, Metrics())
        await found.open()
        await control.close()
        return found, secret

    found, secret = asyncio.run(main())
    return found, secret, lambda: clock.advance(limits.TOKENS_KEPT_S + 1)


def several(path: Path) -> Known:
    found, secret, fail = tokens(path)
    other = StaticToken("another", Principal("other", INGEST))
    return Authorities(other, found), secret, fail


AUTHORITIES: dict[str, Callable[[Path], Known]] = {
    "one token": static,
    "tokens of the store": tokens,
    "several": several,
    "the gateway's fake": fake,
}


@pytest.fixture(params=AUTHORITIES)
def known(request: pytest.FixtureRequest, tmp_path: Path) -> Known:
    return AUTHORITIES[request.param](tmp_path)


def test_a_secret_that_is_known_gives_its_principal_each_time(known: Known) -> None:
    authority, secret, _ = known
    found = authority.principal(secret)
    assert found is not None
    assert (found.tenant, found.scopes) == ("shop", INGEST)
    assert authority.principal(secret) == found


@pytest.mark.parametrize("change", ["", "x{}", "{}x", "{} ", "\ud800", "ü{}", "\0"])
def test_any_other_text_lets_nobody_in(known: Known, change: str) -> None:
    authority, secret, _ = known
    assert authority.principal(change.format(secret)) is None
    assert authority.principal(secret[:-1]) is None


@pytest.mark.parametrize("name", ["tokens of the store", "several", "the gateway's fake"])
def test_who_cannot_tell_is_busy_and_lets_nobody_in(name: str, tmp_path: Path) -> None:
    authority, secret, fail = AUTHORITIES[name](tmp_path)
    fail()
    with pytest.raises(Busy):
        authority.principal(secret)
