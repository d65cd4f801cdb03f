"""Pseudonyms are HMAC-SHA-256 as the standard library has it, in letters that are not confused."""

from __future__ import annotations

import hashlib
import hmac
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.guard.pseudonyms import Pseudonyms

KEY = bytes(range(32))


def independent(kind: str, key: bytes, value: bytes) -> bytes:
    digest = hmac.new(key, value, hashlib.sha256).digest()
    bits = "".join(f"{byte:08b}" for byte in digest)[:80]
    code = "".join(
        "0123456789abcdefghjkmnpqrstvwxyz"[int(bits[at : at + 5], 2)] for at in range(0, 80, 5)
    )
    return f"#{kind}:{code}".encode()


@settings(deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200))
def test_a_pseudonym_is_the_hmac_of_the_standard_library(key: bytes, value: bytes) -> None:
    assert Pseudonyms("pan", key).of(value) == independent("pan", key, value)


@settings(deadline=None)
@given(st.binary(max_size=100))
def test_a_pseudonym_has_a_kind_and_sixteen_letters_and_no_i_l_o_u(value: bytes) -> None:
    found = Pseudonyms("pan", KEY).of(value)
    assert re.fullmatch(rb"#pan:[0-9a-hjkmnp-tv-z]{16}", found)


@settings(deadline=None)
@given(st.binary(max_size=50), st.binary(max_size=50))
def test_the_same_value_has_the_same_and_another_value_another(one: bytes, two: bytes) -> None:
    names = Pseudonyms("pan", KEY)
    assert names.of(one) == Pseudonyms("pan", KEY).of(one)
    assert (names.of(one) == names.of(two)) == (one == two)


def test_other_keys_and_kinds_give_others() -> None:
    value = b"4111111111111111"
    other = bytes(31) + b"\x01"
    found = {Pseudonyms(kind, key).of(value) for kind in ("pan", "ssn") for key in (KEY, other)}
    assert len(found) == 4
