"""Where a control store is that PostgreSQL keeps: a connection URI as psql takes it.

    postgresql://USER@HOST/DATABASE?sslmode=verify-full

What it leaves out the driver finds as psql does: in the environment (PGHOST, PGPASSFILE), in
`?service=NAME` of a service file. It never holds a password, for it is shown in errors and logs.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from tailrace.core.errors import ConfigError

_SCHEMES = ("postgresql://", "postgres://")


def check(uri: str, key: str) -> None:
    """Raises ConfigError that names the setting `key` and holds nothing of `uri`."""
    if not uri.startswith(_SCHEMES):
        raise ConfigError(f"{key}: give postgresql://USER@HOST/DATABASE, as psql takes it")
    user = uri.partition("://")[2].rpartition("@")[0]
    names = [unquote(one.partition("=")[0]).lower() for one in re.split("[?&]", uri)[1:]]
    if ":" in user or any("password" in name or "secret" in name for name in names):
        raise ConfigError(
            f"{key}: an address is shown, so no password may stand in it: name a file with it in "
            f"{key}_password_file, or use PGPASSFILE or a service file; an @ in a name is %40"
        )


def shown(uri: str) -> str:
    """`uri` for errors and logs: without parameters, and without a password that is in it."""
    return re.sub(r"(//[^:@]*):.*@", r"\1:***@", uri).partition("?")[0]
