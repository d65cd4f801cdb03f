"""The control store that the configuration names."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tailrace.app.config import Server, secret
from tailrace.governance.control import Control
from tailrace.governance.postgresql import Postgresql


def control_store(server: Server, owner: bool = True) -> Control:
    """Not open yet; `owner` as in Control. Raises ConfigError for a password that is not there."""
    if not server.control:
        return Control(Path(server.data_dir).resolve() / "control", owner)
    path = server.control_password_file
    password = partial(secret, path, "server.control_password_file") if path else None
    if password is not None:
        password()
    return Control(Postgresql(server.control, password), owner)
