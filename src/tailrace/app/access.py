"""Who may use this process: the token of the configuration, those of the control store, and the
agent in the same process."""

from __future__ import annotations

import secrets

from tailrace.app import config as configuration
from tailrace.app.config import Config
from tailrace.core.access import Authorities, Authority, Principal, Scope, StaticToken
from tailrace.core.clock import Clock
from tailrace.core.errors import ConfigError
from tailrace.core.metrics import Metrics
from tailrace.gateway.auth import Entrance
from tailrace.governance.control import Control
from tailrace.governance.tokens import Tokens

_TENANT = "default"


class Access:
    """`open` once the control store is open, before anything listens; then `run`.

    `entrance` is what every listener asks. `own` is the secret of the agent in this process: made
    anew at each start, held in memory alone. `own_entrance` knows no other.
    """

    def __init__(self, config: Config, control: Control, clock: Clock, metrics: Metrics) -> None:
        """Raises ConfigError when `server.token_file` holds no token."""
        self._config = config
        self._static = configuration.token(config.server, "server")
        self._tokens = Tokens(control, clock, metrics)
        self._required = configuration.requires_token(config.server)
        self.own = secrets.token_urlsafe(32)
        own = Principal(_TENANT, frozenset({Scope.INGEST}), "own agent")
        agent = StaticToken(self.own, own)
        members: list[Authority] = [agent]
        if self._static:
            everything = Principal(_TENANT, frozenset(Scope), "server.token")
            members.append(StaticToken(self._static, everything))
        # Last, for it may not be able to tell; the others always are.
        members.append(self._tokens)
        self.entrance = Entrance(Authorities(*members), metrics, self._required)
        self.own_entrance = Entrance(agent, metrics)

    async def open(self) -> None:
        """Raises ConfigError when nobody could come in, StoreError when tokens cannot be read."""
        await self._tokens.open()
        if not self._required or self._static or len(self._tokens):
            return
        raise ConfigError(
            f"server.listen, server.auth: {self._config.server.listen} asks everyone for a token, "
            "and there is none: make one with `tailrace token create`, or set server.token_file; "
            "without tokens, listen on 127.0.0.1"
        )

    async def run(self) -> None:
        """Follow changes of the tokens until it is cancelled."""
        await self._tokens.run()

    async def close(self) -> None:
        """Before the control store."""
        await self._tokens.close()
