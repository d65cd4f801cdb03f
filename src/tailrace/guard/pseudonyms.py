"""Pseudonyms: `#pan:k3j9x2m4q8zt7vwa`, the same for the same value under one key.

    pseudonym = "#" kind ":" code
    code      = the first 80 bits of HMAC-SHA-256(key, value normalised), as 16 characters of
                Crockford's base 32, in lower case

The key is of one tenant and kind, 256 bits from the system's random numbers: without it a code
cannot be found by trying values, and there are not enough card or social security numbers to hide
among without a key. Among a thousand million values of one kind two share a code once in a million
keys.
"""

from __future__ import annotations

import hashlib

from tailrace.core.keys import SECRET_BYTES

_ALPHABET = b"0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [bytes([a, b]) for a in _ALPHABET for b in _ALPHABET]
_CODE_BYTES = 10
_SHIFTS = range(70, -1, -10)
_BLOCK_BYTES = 64  # of SHA-256; keys are shorter


class Pseudonyms:
    """Those of one kind under one key."""

    def __init__(self, kind: str, secret: bytes) -> None:
        """Raises ValueError for a key that is not of SECRET_BYTES."""
        if len(secret) != SECRET_BYTES:
            raise ValueError(f"a key has {SECRET_BYTES} bytes")
        key = secret.ljust(_BLOCK_BYTES, b"\0")
        # HMAC begins and ends with a block made of the key: hashed once, not for each value.
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in key))
        self._prefix = b"#%b:" % kind.encode()

    def of(self, value: bytes) -> bytes:
        """Of a normalised value."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(value)
        outer.update(inner.digest())
        bits = int.from_bytes(outer.digest()[:_CODE_BYTES], "big")
        return self._prefix + b"".join([_PAIRS[bits >> shift & 1023] for shift in _SHIFTS])
