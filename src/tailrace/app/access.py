"""Who may use this process: the token of the configuration, those of the control store, and the
agent in the same process."""

from __future__ import annotations

import secrets

from tailrace.app import config as configuration
from tailrace.app.config import Server
from tailrace.core.access import ANYONE, Authorities, Authority, Principal, Scope, StaticToken
from tailrace.core.clock import Clock
from tailrace.core.errors import ConfigError
from tailrace.core.metrics import Metrics
from tailrace.gateway.auth import Entrance
from tailrace.governance.control import Control
from tailrace.governance.tokens import Tokens

_TENANT = "default"


class Access:
    """Every listener asks an `entrance` of its own, made before `open`; `run` comes after.

    `own` is the secret of the agent in this process: made anew at each start, held in memory alone.
    `own_entrance` knows no other.
    """

    def __init__(self, server: Server, control: Control, clock: Clock, metrics: Metrics) -> None:
        """Raises ConfigError when `server.token_file` holds no token."""
        self._server = server
        self._metrics = metrics
        self._static = configuration.token(server, "server")
        self._tokens = Tokens(control, clock, metrics)
        self._asking: list[str] = []
        self.own = secrets.token_urlsafe(32)
        agent = StaticToken(self.own, Principal(_TENANT, frozenset({Scope.INGEST}), "own agent"))
        self.own_entrance = Entrance(agent, metrics)
        members: list[Authority] = [agent]
        if self._static:
            members.append(StaticToken(self._static, Principal(_TENANT, ANYONE.scopes, "server")))
        # Last, for it may not be able to tell; the others always are.
        self._authority = Authorities(*members, self._tokens)

    def entrance(self, listen: str, host: str) -> Entrance:
        """For a listener on `host`; `listen` is how the configuration calls it."""
        required = configuration.requires_token(self._server, host)
        if required:
            self._asking.append(listen)
        return Entrance(self._authority, self._metrics, required)

    async def open(self) -> None:
        """Raises ConfigError when nobody could come in, StoreError when tokens cannot be read."""
        await self._tokens.open()
        if not self._asking or self._static or len(self._tokens):
            return
        raise ConfigError(
            f"{self._asking[0]} asks everyone for a token, and there is none: make one with "
            "`tailrace token create`, or set server.token_file; without tokens, listen on "
            "127.0.0.1 and leave server.auth out"
        )

    async def run(self) -> None:
        """Follow changes of the tokens until it is cancelled."""
        await self._tokens.run()

    async def close(self) -> None:
        """Before the control store."""
        await self._tokens.close()
