"""The secret keys of pseudonyms, as the guard asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

SECRET_BYTES = 32


class Secret:
    """One key of a tenant and kind. `epoch` counts them from 1; `retired_ns` is 0 for the one in
    use. Never shown: neither its repr nor an error holds the secret."""

    __slots__ = ("created_ns", "epoch", "retired_ns", "secret")

    def __init__(self, epoch: int, secret: bytes, created_ns: int, retired_ns: int = 0) -> None:
        self.epoch = epoch
        self.secret = secret
        self.created_ns = created_ns
        self.retired_ns = retired_ns

    def __repr__(self) -> str:
        return f"Secret(epoch={self.epoch})"


class Keyring(Protocol):
    """Whoever keeps the keys. Both raise StoreError when they cannot be had just now."""

    async def secrets(self, tenant: str) -> Mapping[str, bytes]:
        """SECRET_BYTES in use for every kind that the guard knows. Those of a tenant that had none
        are durable when this returns. Asked for each frame: it must be quick when they are known.
        """
        ...

    async def history(self, tenant: str, kind: str) -> list[Secret]:
        """All of this kind that are not destroyed, the oldest first."""
        ...
