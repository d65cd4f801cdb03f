"""Content encodings of bodies: identity, gzip, zstd, limited while they expand."""

from __future__ import annotations

import zlib

from tailrace.core import limits
from tailrace.core.errors import InputError, TooLarge, Unsupported
from tailrace.core.payload import expand as expand_zstd

_STEP = 64 * limits.KIB
_GZIP = 16 + zlib.MAX_WBITS


def expand(body: bytes, encoding: str, limit_bytes: int = limits.BODY_BYTES) -> bytes:
    """The body before its Content-Encoding; the same object when there was none.

    Raises TooLarge beyond `limit_bytes` or EXPANSION_RATIO ("expanded"), InputError when the
    bytes are malformed or end early ("gzip", "zstd"), Unsupported for any other encoding.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        if len(body) > limit_bytes:
            raise _too_large(limit_bytes)
        return body
    if name not in ("gzip", "x-gzip", "zstd"):
        raise Unsupported("Content-Encoding must be identity, gzip or zstd", "encoding")
    # Short bodies of one repeated byte are honest enough; the ratio is for what would hurt.
    allowed = min(limit_bytes, max(_STEP, len(body) * limits.EXPANSION_RATIO))
    if not body:
        raise InputError(f"body is empty; it is not {name}", "empty")
    return expand_zstd(body, allowed) if name == "zstd" else _expand_gzip(body, allowed)


def _too_large(limit_bytes: int) -> TooLarge:
    return TooLarge(f"body expands beyond {limit_bytes} bytes; send smaller batches", "expanded")


def _expand_gzip(body: bytes, limit_bytes: int) -> bytes:
    out: list[bytes] = []
    total = position = members = 0
    while position < len(body):
        members += 1
        if members > limits.MEMBERS_PER_BODY:
            raise TooLarge(f"body has more than {limits.MEMBERS_PER_BODY} gzip members", "gzip")
        reader = zlib.decompressobj(_GZIP)
        while not reader.eof:
            if position >= len(body):
                raise InputError("body ends inside a gzip member", "gzip")
            step = body[position : position + _STEP]
            try:
                chunk = reader.decompress(step, limit_bytes - total + 1)
            except zlib.error as error:
                raise InputError(f"body is not valid gzip: {error}", "gzip") from error
            total += len(chunk)
            if total > limit_bytes:
                raise _too_large(limit_bytes)
            out.append(chunk)
            position += len(step) - len(reader.unused_data) - len(reader.unconsumed_tail)
    return b"".join(out)
