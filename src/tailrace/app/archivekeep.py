"""`[archive]` of the configuration: where files go, how often, and how long rows stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from tailrace.core import limits
from tailrace.core.errors import ConfigError
from tailrace.core.frame import check_tenant
from tailrace.core.units import Seconds
from tailrace.store.retention import Retention, Which

_LEAST_S = 86_400.0


class ServiceKeep(msgspec.Struct, forbid_unknown_fields=True):
    """Of one service; "0s" is for ever."""

    keep: Seconds


class TenantKeep(msgspec.Struct, forbid_unknown_fields=True):
    """Of one tenant, and of services of it; without `keep` as everybody's."""

    name: str
    keep: Seconds | None = None
    services: dict[str, ServiceKeep] = {}


class ArchiveSettings(msgspec.Struct, forbid_unknown_fields=True):
    """`step`: how long rows may wait for company before a Parquet file is written. `keep`: how long
    rows stay, of everybody; `services` and `tenants`: of those that are named. "0s" is for ever."""

    directory: str = ""
    step: Seconds = Seconds("60s")
    keep: Seconds = Seconds("365d")
    services: dict[str, ServiceKeep] = {}
    tenants: list[TenantKeep] = []


def retention(config: ArchiveSettings) -> Retention:
    """As the archive takes it. Raises ConfigError naming the key."""
    said: dict[Which, float] = {}
    for key, which, keep in _said(config):
        if which in said:
            raise ConfigError(f"{key}: {which[0]} is there already")
        if 0 < keep < _LEAST_S:
            raise ConfigError(f'{key}: at least "1d", or "0s" for ever')
        said[which] = float(keep)
    if len(said) > limits.ARCHIVE_KEPT_APART:
        raise ConfigError(
            f"archive: {len(said)} tenants and services with a keep of their own, at most "
            f"{limits.ARCHIVE_KEPT_APART} (ARCHIVE_KEPT_APART)"
        )
    return Retention(said)


def _said(config: ArchiveSettings) -> Iterator[tuple[str, Which, Seconds]]:
    yield "archive.keep", (None, None), config.keep
    yield from _services("archive", None, config.services)
    for number, tenant in enumerate(config.tenants):
        key = f"archive.tenants[{number}]"
        if not check_tenant(tenant.name):
            raise ConfigError(f"{key}.name: {tenant.name!r} is no name of a tenant")
        if tenant.keep is not None:
            yield f"{key}.keep", (tenant.name, None), tenant.keep
        yield from _services(key, tenant.name, tenant.services)


def _services(
    key: str, tenant: str | None, services: Mapping[str, ServiceKeep]
) -> Iterator[tuple[str, Which, Seconds]]:
    for name, one in services.items():
        yield f"{key}.services.{name}.keep", (tenant, name), one.keep
