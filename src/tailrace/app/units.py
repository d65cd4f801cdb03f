"""Sizes and durations as people write them."""

from __future__ import annotations

import re

from tailrace.core.errors import ConfigError

_SIZES = {
    "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip
_DURATIONS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)")


def size_bytes(text: str, key: str) -> int:
    """`"64 MiB"` as bytes. Raises ConfigError naming `key`."""
    return int(_scaled(text, key, _SIZES, "64MiB"))


def duration_s(text: str, key: str) -> float:
    """`"500ms"` as seconds. Raises ConfigError naming `key`."""
    return _scaled(text, key, _DURATIONS, "30s")


def _scaled(text: str, key: str, units: dict[str, float] | dict[str, int], example: str) -> float:
    match = _NUMBER.fullmatch(text.strip())
    if match is None or match[2] not in units:
        raise ConfigError(
            f"{key}: {text!r} is not a number with a unit ({', '.join(units)}), "
            f'for example "{example}"'
        )
    return float(match[1]) * units[match[2]]
