"""Invented values of every kind. Those that look like somebody's keys are built in two parts."""

from __future__ import annotations

CARD = b"4111111111111111"
AWS = b"AKIA" + b"Z7Q2M4K8P6R3T5V9"
GITHUB = b"ghp" + b"_0123456789abcdefghijABCDEFGHIJ012345"
STRIPE = b"sk_" + b"live_4eC39HqLyjWDarjtT1"
JWT = b"eyJhbGciOiJIUzI1NiJ9" + b".eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


def luhn(digits: str) -> bool:
    """By the definition: every second digit from the right doubled, its own digits summed."""
    total = 0
    for place, char in enumerate(reversed(digits)):
        digit = int(char) * (1 + place % 2)
        total += digit // 10 + digit % 10
    return total % 10 == 0


def issued(prefix: str, length: int) -> bytes:
    """A number that begins so, with the check digit at its end."""
    body = prefix + "1234567890123456789"[: length - len(prefix) - 1]
    return next(body + check for check in "0123456789" if luhn(body + check)).encode()


def grouped(number: bytes) -> bytes:
    """In groups of four, as it is printed."""
    return b" ".join(number[at : at + 4] for at in range(0, len(number), 4))
