"""How long rows stay hot, of `[store]` in the configuration: of everybody, and of those that are
named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

import msgspec

from tailrace.core import limits
from tailrace.core.errors import ConfigError
from tailrace.core.frame import Signal, check_tenant
from tailrace.core.hours import Hours, hours
from tailrace.core.units import Seconds, Size
from tailrace.store.keep import Keep, Kept, Which

# Partitions are days: of less than one nothing could be dropped whole.
_LEAST_S = 86_400.0
# A row is a hundred bytes or so: what is less was meant to be something else.
_LEAST_BYTES = Size("1MiB")


class KeepSettings(msgspec.Struct, forbid_unknown_fields=True):
    """`keep`: how long; `keep_bytes`: how much. "0s" and "0B" are for ever and any; what is not set
    is as for those around."""

    keep: Seconds | None = None
    keep_bytes: Size | None = None


class TenantKeep(msgspec.Struct, forbid_unknown_fields=True):
    """Of one tenant, and of services of it."""

    name: str
    keep: Seconds | None = None
    keep_bytes: Size | None = None
    services: dict[str, KeepSettings] = {}


class StoreSettings(msgspec.Struct, forbid_unknown_fields=True):
    """`memory`: what the engine may use. `keep`: how long rows stay in it, "0s" is for ever;
    `keep_bytes`: how much, "0B" is any. `rewrite`: when days may be written anew of which a part
    goes, local time such as "01:00-05:00"; always without."""

    memory: Size = Size("500MiB")
    keep: Seconds = Seconds("0s")
    keep_bytes: Size = Size("0B")
    signals: dict[Signal, KeepSettings] = {}
    services: dict[str, KeepSettings] = {}
    tenants: list[TenantKeep] = []
    rewrite: str = ""


class _Settings(Protocol):
    @property
    def keep(self) -> Seconds | None: ...

    @property
    def keep_bytes(self) -> Size | None: ...


def keep(config: StoreSettings) -> Keep:
    """As the store takes it. Raises ConfigError naming the key."""
    said: dict[Which, Kept] = {}
    for key, which, one in _said(config):
        if which in said:
            raise ConfigError(f"{key}.name: {which.tenant} is there already")
        said[which] = _kept(key, one)
    if len(said) > limits.KEPT_APART:
        raise ConfigError(
            f"store: {len(said)} tenants, services and signals with a keep of their own, at most "
            f"{limits.KEPT_APART} (KEPT_APART)"
        )
    return Keep(said)


def rewriting(config: StoreSettings) -> Hours:
    """When days may be written anew. Raises ConfigError."""
    try:
        return hours(config.rewrite)
    except ValueError as error:
        raise ConfigError(f"store.rewrite: {error}") from None


def _said(config: StoreSettings) -> Iterator[tuple[str, Which, _Settings]]:
    yield "store", Which(), config
    for signal, one in config.signals.items():
        yield f"store.signals.{signal}", Which(signal=signal), one
    yield from _services("store", None, config.services)
    for number, tenant in enumerate(config.tenants):
        key = f"store.tenants[{number}]"
        if not check_tenant(tenant.name):
            raise ConfigError(f"{key}.name: {tenant.name!r} is no name of a tenant")
        yield key, Which(tenant.name), tenant
        yield from _services(key, tenant.name, tenant.services)


def _services(
    key: str, tenant: str | None, services: Mapping[str, KeepSettings]
) -> Iterator[tuple[str, Which, _Settings]]:
    for name, one in services.items():
        if not name:
            raise ConfigError(f"{key}.services: a service has a name")
        yield f"{key}.services.{name}", Which(tenant, name), one


def _kept(key: str, one: _Settings) -> Kept:
    if one.keep is not None and 0 < one.keep < _LEAST_S:
        raise ConfigError(f'{key}.keep: at least "1d", or "0s" for ever')
    if one.keep_bytes is not None and 0 < one.keep_bytes < _LEAST_BYTES:
        raise ConfigError(f'{key}.keep_bytes: at least "{_LEAST_BYTES.text}", or "0B" for any')
    age_s = None if one.keep is None else float(one.keep)
    return Kept(age_s, None if one.keep_bytes is None else int(one.keep_bytes))
