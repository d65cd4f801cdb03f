"""Sizes and durations as people write them."""

from __future__ import annotations

import re
from typing import Any, Self

_SIZES = {
    "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip
_DURATIONS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)")


class Size(int):
    """Bytes, from text such as `"64MiB"`, which it keeps as `text`. Raises ValueError."""

    text: str

    def __new__(cls, text: str) -> Self:
        found = super().__new__(cls, int(_scaled(text, _SIZES, "64MiB")))
        found.text = text
        return found


class Seconds(float):
    """Seconds, from text such as `"500ms"`, which it keeps as `text`. Raises ValueError."""

    text: str

    def __new__(cls, text: str) -> Self:
        found = super().__new__(cls, _scaled(text, _DURATIONS, "30s"))
        found.text = text
        return found


def decode(kind: type, value: Any) -> Any:
    """msgspec's `dec_hook` for both. Raises ValueError."""
    if kind not in (Size, Seconds):
        raise NotImplementedError(kind)
    if not isinstance(value, str):
        raise ValueError(f'expected text such as "{"64MiB" if kind is Size else "30s"}"')
    return kind(value)


def encode(value: Any) -> str:
    """msgspec's `enc_hook` for both."""
    if not isinstance(value, Size | Seconds):
        raise NotImplementedError(type(value))
    return value.text


def _scaled(text: str, units: dict[str, float] | dict[str, int], example: str) -> float:
    match = _NUMBER.fullmatch(text.strip())
    if match is None or match[2] not in units:
        raise ValueError(
            f'{text!r} is not a number with a unit ({", ".join(units)}), for example "{example}"'
        )
    return float(match[1]) * units[match[2]]
