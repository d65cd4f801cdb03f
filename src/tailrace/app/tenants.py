"""Settings of named tenants, which stand over everybody's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from tailrace.core.errors import ConfigError
from tailrace.core.frame import check_tenant

_Config = TypeVar("_Config", bound=msgspec.Struct)
_Made = TypeVar("_Made")


def by_tenant(
    config: _Config, tenants: list[Any], section: str, make: Callable[[_Config, str], _Made]
) -> dict[str, _Made]:
    """What `make` makes for each tenant by its name, out of `config` with what is set for it, and
    the key of that. Raises ConfigError naming the key."""
    found: dict[str, _Made] = {}
    for number, named in enumerate(tenants):
        key = f"{section}.tenants[{number}]"
        if not check_tenant(named.name):
            raise ConfigError(f"{key}.name: {named.name!r} is no name of a tenant")
        if named.name in found:
            raise ConfigError(f"{key}.name: {named.name} has limits already")
        own = {n: v for n, v in msgspec.structs.asdict(named).items() if v is not None}
        del own["name"]
        found[named.name] = make(msgspec.structs.replace(config, **own), key)
    return found
