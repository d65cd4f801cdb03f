"""One form for every way to write a value, so that it has one pseudonym."""

from __future__ import annotations

from tailrace.guard.detectors.detector import digits_of


def normalise(kind: str, value: bytes) -> bytes:
    """Of a value that somebody holds, the form in which detectors give it."""
    value = value.strip()
    if kind in ("pan", "ssn", "itin"):
        return digits_of(value)
    if kind == "iban":
        return bytes(byte for byte in value.upper() if chr(byte).isalnum())
    if kind == "phone":
        return (b"+" if value.startswith(b"+") else b"") + digits_of(value)
    if kind in ("email", "dob"):
        return value.lower()
    if kind == "name":
        return b" ".join(value.decode(errors="replace").casefold().encode().split())
    return value
