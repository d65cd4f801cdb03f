"""Cleaners of a configuration, headers and keys, and a plain way to ask for what became of rows."""

from __future__ import annotations

import hashlib
import hmac
from functools import cache
from typing import Any

from tailrace.core.clock import Clock, ManualClock
from tailrace.core.finding import Action
from tailrace.core.frame import Codec, Header, Signal
from tailrace.guard.cleaner import Cleaned, Cleaner
from tailrace.guard.kinds import KINDS
from tailrace.guard.settings import Rule, Settings

# Kinds that a configuration of these tests may add.
CUSTOM = ("badge", "loyalty")
KEYS = {kind: bytes([number + 1]) * 32 for number, kind in enumerate((*KINDS, *CUSTOM))}


def cleaner(clock: Clock | None = None, **tables: Any) -> Cleaner:
    """Of the tables below [guard]."""
    return Cleaner(Settings(**tables), clock or ManualClock())


@cache
def acting(kind: str, action: Action) -> Cleaner:
    """One that treats a kind so."""
    return cleaner(rules=[Rule(kind, action)])


USUAL = cleaner()


def count_rows(data: bytes) -> int:
    """As a header counts them: a last row needs no newline."""
    return data.count(b"\n") + (1 if data and not data.endswith(b"\n") else 0)


def header(
    data: bytes,
    codec: Codec = Codec.LINES,
    signal: Signal = Signal.LOGS,
    resource: dict[str, str] | None = None,
) -> Header:
    """Of rows."""
    return Header(
        tenant="acme",
        source="a",
        epoch=1,
        seq=1,
        rows=count_rows(data),
        bytes=len(data),
        checksum=0,
        received_ns=0,
        codec=codec,
        signal=signal,
        resource=resource or {},
    )


def clean(data: bytes, by: Cleaner = USUAL, codec: Codec = Codec.LINES, **said: Any) -> Cleaned:
    """What becomes of rows; `said` goes into their header."""
    return by.clean(header(data, codec, **said), data, KEYS)


def cleaned(row: bytes, by: Cleaner = USUAL, codec: Codec = Codec.LINES, **said: Any) -> bytes:
    """What becomes of one row, given with its newline and taken without."""
    result = clean(row + b"\n", by, codec, **said)
    return result.data.removesuffix(b"\n")


def kinds(row: bytes, by: Cleaner = USUAL) -> set[str]:
    """Of all that is found in a row."""
    return {hit.kind for hit in by.find(row + b"\n")}


def pseudonym(kind: str, value: bytes) -> str:
    """As the standard library makes it: HMAC-SHA-256, 80 bits, Crockford's base 32."""
    digest = hmac.new(KEYS[kind], value, hashlib.sha256).digest()
    bits = int.from_bytes(digest[:10], "big")
    letters = "0123456789abcdefghjkmnpqrstvwxyz"
    return f"#{kind}:" + "".join(letters[bits >> at & 31] for at in range(75, -1, -5))
