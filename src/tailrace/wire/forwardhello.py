"""The handshake of Fluent Forward: both sides prove that they know the shared key, neither says it.

    server: ["HELO", {"nonce": bytes, "auth": bytes or "", "keepalive": true}]
    client: ["PING", host, salt, hex(salt + host + nonce + key), user, hex(auth + user + password)]
    server: ["PONG", welcome, reason, host, hex(salt + host + nonce + key)]

`hex` is SHA-512 in hex digits; `auth` is empty where no user is asked for.
Source: https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1.5
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any

import msgspec

from tailrace.core.errors import InputError
from tailrace.wire import msgpack

PING_BYTES = 8 * 1024
_NONCE_BYTES = 16


class Handshake:
    """One connection's. `users` are passwords by name; when empty the key alone will do."""

    def __init__(self, shared_key: str, users: Mapping[str, str], host: str) -> None:
        self._key = shared_key.encode()
        self._users = users
        self._host = host.encode()
        self._nonce = secrets.token_bytes(_NONCE_BYTES)
        self._salt = secrets.token_bytes(_NONCE_BYTES) if users else b""

    def hello(self) -> bytes:
        """HELO."""
        options = {"nonce": self._nonce, "auth": self._salt, "keepalive": True}
        return msgspec.msgpack.encode(["HELO", options])

    def answer(self, ping: bytes) -> tuple[bytes, str]:
        """PONG, and why the sender is refused; "" when it is welcome.

        Raises InputError ("handshake") for anything but a PING.
        """
        words = msgpack.decode(ping, {})
        if not (isinstance(words, list) and len(words) == 6 and _bytes(words[0]) == b"PING"):
            raise InputError("the first message must be a PING", "handshake")
        host, salt, proof, user, password = map(_bytes, words[1:])
        key_holds = _same(proof, _hex(salt, host, self._nonce, self._key))
        user_holds = self._user_holds(user, password)
        reason = "" if key_holds and user_holds else _refusal(key_holds)
        own = "" if reason else _hex(salt, self._host, self._nonce, self._key)
        answer = ["PONG", not reason, reason, self._host.decode(), own]
        return msgspec.msgpack.encode(answer), reason

    def _user_holds(self, user: bytes, proof: bytes) -> bool:
        if not self._users:
            return True
        known = self._users.get(user.decode(errors="replace"))
        # The same work for a name that nobody has.
        holds = _same(proof, _hex(self._salt, user, (known or "").encode()))
        return holds and known is not None


def _refusal(key_holds: bool) -> str:
    return "username/password mismatch" if key_holds else "shared_key mismatch"


def _hex(*parts: bytes) -> str:
    return hashlib.sha512(b"".join(parts)).hexdigest()


def _same(given: bytes, expected: str) -> bool:
    return hmac.compare_digest(given, expected.encode())


def _bytes(word: Any) -> bytes:
    return word if isinstance(word, bytes) else str(word).encode(errors="replace")
