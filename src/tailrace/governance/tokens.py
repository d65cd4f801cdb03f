"""The tokens in memory: who asks is answered without a look at the store.

A copy of the active ones is read again within LOOK_S of any change, whichever process made it.
While the store cannot be read the copy stands for TOKENS_KEPT_S; after that nobody is let in and
nobody is turned away: senders are told to come again.
"""

from __future__ import annotations

import asyncio
import hmac
from functools import partial

import msgspec

from tailrace.core import limits, log
from tailrace.core.access import Principal
from tailrace.core.clock import Clock
from tailrace.core.errors import Busy, StoreError
from tailrace.core.metrics import Metrics
from tailrace.governance import tokensecret, tokentable
from tailrace.governance.control import Control

_log = log.get("governance")
LOOK_S = 1.0
USED_S = 60.0
_BUSY_S = 15.0


class _Known(msgspec.Struct, frozen=True):
    digest: str
    expires_ns: int
    principal: Principal


class Tokens:
    """A core.access.Authority. One for each process; `open` first, then `run` beside all else."""

    def __init__(self, control: Control, clock: Clock, metrics: Metrics) -> None:
        self._control = control
        self._clock = clock
        self._metrics = metrics
        self._known: dict[str, _Known] = {}
        self._changes = -1
        self._read_s = clock.monotonic_s()
        self._noted_s = clock.monotonic_s()
        self._used: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._known)

    async def open(self) -> None:
        """Read them for the first time. Raises StoreError."""
        await self._read()

    def principal(self, secret: str) -> Principal | None:
        """See core.access.Authority."""
        token_id = tokensecret.id_of(secret)
        if token_id is None:
            return None
        if self._age_s() > limits.TOKENS_KEPT_S:
            raise Busy("tokens cannot be checked just now; try again", _BUSY_S)
        known, now_ns = self._known.get(token_id), self._clock.wall_ns()
        if known is None or not hmac.compare_digest(known.digest, tokensecret.digest(secret)):
            return None
        if 0 < known.expires_ns <= now_ns:
            return None
        self._used[token_id] = now_ns
        return known.principal

    async def run(self) -> None:
        """Look for changes until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Read what has changed; note, once a minute, who was used."""
        try:
            await self._read()
            if self._clock.monotonic_s() - self._noted_s >= USED_S:
                await self._note()
        except StoreError as error:
            _log.error(
                "tokens cannot be read; those that are known stay valid for a while",
                extra={"why": str(error), "age_s": round(self._age_s())},
            )
        self._metrics.set("tailrace_tokens_age_seconds", self._age_s())

    async def close(self) -> None:
        """Note who was used; losing that is no reason to fail."""
        try:
            await self._note()
        except StoreError:
            _log.warning("the last use of tokens could not be noted")

    async def _read(self) -> None:
        changes = await self._control.read(tokentable.changes)
        if changes != self._changes:
            # The number is read before the rows: a change in between is seen at the next look.
            found = await self._control.read(
                partial(tokentable.active, now_ns=self._clock.wall_ns())
            )
            self._known = {token.id: _known(token, digest) for token, digest in found}
            if self._changes >= 0:
                _log.info("tokens have changed", extra={"active": len(self._known)})
            self._changes = changes
        self._read_s = self._clock.monotonic_s()

    async def _note(self) -> None:
        self._noted_s = self._clock.monotonic_s()
        used, self._used = self._used, {}
        if used:
            await self._control.run(partial(tokentable.used, when=used))

    def _age_s(self) -> float:
        return self._clock.monotonic_s() - self._read_s


def _known(token: tokentable.Token, digest: str) -> _Known:
    principal = Principal(token.tenant, frozenset(token.scopes), token.name or token.id)
    return _Known(digest, token.expires_ns, principal)
