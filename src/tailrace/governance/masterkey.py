"""The master key: 256 random bits that wrap the keys of pseudonyms, and are never stored with them.

As people write it: 64 hexadecimal digits, or 44 characters of base64; a line break may follow.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from typing import Protocol

from tailrace.core import limits
from tailrace.core.errors import ConfigError

BYTES = 32
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]{64}")


class MasterKey:
    """`id` names it in the store and in errors: 32 bits of a keyed hash, so it says nothing of it.
    `setting` is where it was found. Never shown: neither its repr nor an error holds it."""

    __slots__ = ("id", "secret", "setting")

    def __init__(self, secret: bytes, setting: str) -> None:
        assert len(secret) == BYTES
        self.secret = secret
        self.setting = setting
        self.id = hmac.digest(secret, b"tailrace master key id", hashlib.sha256)[:4].hex()

    def __repr__(self) -> str:
        return f"MasterKey({self.id})"


class MasterSource(Protocol):
    """Where the master key is. `setting` names it in errors. Both may block, `load` for
    MASTER_COMMAND_S; they raise ConfigError for what a person has to put right, StoreError for what
    may pass."""

    setting: str

    def load(self) -> MasterKey: ...

    def first(self) -> MasterKey:
        """For a store that holds no keys yet: made now, where that may be done."""
        return self.load()

    def check(self) -> None:
        """What can be told of it without making it or asking anybody else for it."""
        self.load()


def generated() -> str:
    """A new one, as text."""
    return base64.b64encode(secrets.token_bytes(BYTES)).decode()


def parse(text: bytes, setting: str) -> MasterKey:
    """Raises ConfigError that names the setting and holds nothing of `text`."""
    found = _decoded(text)
    if found is None:
        raise ConfigError(
            f"{setting}: holds no master key: it takes 32 random bytes as base64 or as hexadecimal "
            "digits, such as `openssl rand -base64 32` gives"
        )
    return MasterKey(found, setting)


def is_key(text: str) -> bool:
    """Whether this is a key itself, which somebody has put in the place of its name."""
    return _decoded(text.encode(errors="replace")) is not None


def _decoded(text: bytes) -> bytes | None:
    word = text[: limits.MASTER_KEY_BYTES + 1].decode("ascii", "replace").strip()
    if _HEXADECIMAL.fullmatch(word):
        return bytes.fromhex(word)
    try:
        found = base64.b64decode(word, validate=True)
    except (binascii.Error, ValueError):
        return None
    return found if len(found) == BYTES else None
