"""Quoting. The only place where text becomes part of a statement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\0": "\\0"})


def text(value: str) -> str:
    """`value` as a SQL string literal."""
    return "'" + value.encode("utf-8", "replace").decode().translate(_ESCAPES) + "'"


def moment(ns: int) -> str:
    """UTC nanoseconds since 1970 as a DateTime64(9)."""
    return f"fromUnixTimestamp64Nano(toInt64({int(ns)}), 'UTC')"


def array(values: Iterable[str]) -> str:
    """Already quoted values as an array literal."""
    return "[" + ",".join(values) + "]"


def text_map(values: Mapping[str, str]) -> str:
    """A Map(String, String) literal."""
    pairs = ",".join(f"{text(k)},{text(v)}" for k, v in values.items())
    return f"CAST(map({pairs}),'Map(String,String)')"
