"""Payloads: compress, expand within a bound, describe."""

from __future__ import annotations

import threading

import msgspec
import xxhash
import zstandard

from tailrace.core.errors import InputError, TooLarge

ZSTD_LEVEL = 1  # 408 MB/s at 4.1 times smaller; level 3 gains 7% of size for 70% more time

_local = threading.local()


class Facts(msgspec.Struct, frozen=True):
    """What a header says of a payload: rows, bytes and checksum before compression."""

    rows: int
    bytes: int
    checksum: int


def describe(data: bytes) -> Facts:
    """Facts of raw lines. A last line without a newline counts as a row."""
    rows = data.count(b"\n") + (1 if data and not data.endswith(b"\n") else 0)
    return Facts(rows, len(data), xxhash.xxh3_64_intdigest(data))


def compress(data: bytes) -> bytes:
    """One zstd frame that states its content size."""
    compressor = getattr(_local, "compressor", None)
    if compressor is None:
        compressor = _local.compressor = zstandard.ZstdCompressor(level=ZSTD_LEVEL)
    result: bytes = compressor.compress(data)
    return result


def expand(payload: bytes, limit_bytes: int) -> bytes:
    """Undo `compress`, over any number of concatenated zstd frames.

    Raises TooLarge as soon as `limit_bytes` is passed, InputError when the bytes are not zstd or
    end too early. Never allocates from a size that the input claims.
    """
    out: list[bytes] = []
    total = 0
    rest = payload
    while rest:
        reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
        try:
            for start in range(0, len(rest), 65536):
                chunk = reader.decompress(rest[start : start + 65536])
                total += len(chunk)
                if total > limit_bytes:
                    raise TooLarge(
                        f"body expands beyond {limit_bytes} bytes; send smaller batches", "expanded"
                    )
                out.append(chunk)
                if reader.eof:
                    break
        except zstandard.ZstdError as error:
            raise InputError(f"body is not valid zstd: {error}", "zstd") from error
        if not reader.eof:
            raise InputError("body ends inside a zstd frame", "zstd")
        rest = reader.unused_data + rest[start + 65536 :]
    return b"".join(out)
