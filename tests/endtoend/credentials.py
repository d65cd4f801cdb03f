"""`tailrace token` beside a server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from running import Server

COMMAND = Path(sys.executable).with_name("tailrace")
# What the issue asks for; the clock of a machine with two busy cores included.
REVOKED_S = 5.0


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


class Tokens:
    """`tailrace token` beside the server; every secret it printed."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.secrets: list[str] = []

    def run(self, *words: str) -> str:
        done = subprocess.run(
            [COMMAND, "token", *words], env=self._server.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def create(self, tenant: str, *scopes: str, expires: str = "1d") -> str:
        chosen = [word for scope in scopes for word in ("--scope", scope)]
        made = self.run("create", "--tenant", tenant, *chosen, "--name", "x", "--expires", expires)
        self.secrets.append(made)
        return made

    def revoke(self, secret: str) -> None:
        self.run("revoke", secret.split("_")[1])
