"""A wrapped key opens with its master key at its place, and with nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keepers import master_key

from tailrace.core.errors import StoreError
from tailrace.core.keys import SECRET_BYTES
from tailrace.governance import wrapping

SECRET = bytes(range(SECRET_BYTES))
PLACE = ("shop", "pan", 1)
texts = st.text(st.characters(codec="utf-8"), max_size=8)
places = st.tuples(texts, texts, st.integers(1, 2**63 - 1))


@given(place=places, secret=st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES))
def test_what_was_wrapped_comes_back_at_its_place(
    place: tuple[str, str, int], secret: bytes
) -> None:
    wrapped = wrapping.wrap(master_key(), *place, secret)
    assert len(wrapped) == wrapping.BYTES
    assert wrapping.unwrap(master_key(), *place, wrapped) == secret


@given(place=places, other=places)
def test_it_opens_at_no_other_place(
    place: tuple[str, str, int], other: tuple[str, str, int]
) -> None:
    wrapped = wrapping.wrap(master_key(), *place, SECRET)
    if place == other:
        assert wrapping.unwrap(master_key(), *other, wrapped) == SECRET
    else:
        with pytest.raises(StoreError):
            wrapping.unwrap(master_key(), *other, wrapped)


@given(tenant=texts, kind=texts, moved=st.integers(0, 8))
def test_letters_that_move_from_tenant_to_kind_are_another_place(
    tenant: str, kind: str, moved: int
) -> None:
    joined = tenant + kind
    moved = min(moved, len(joined))
    other = (joined[:moved], joined[moved:], 1)
    wrapped = wrapping.wrap(master_key(), tenant, kind, 1, SECRET)
    if other != (tenant, kind, 1):
        with pytest.raises(StoreError):
            wrapping.unwrap(master_key(), *other, wrapped)


def test_every_bit_counts() -> None:
    wrapped = wrapping.wrap(master_key(), *PLACE, SECRET)
    for bit in range(8 * len(wrapped)):
        damaged = bytearray(wrapped)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(StoreError):
            wrapping.unwrap(master_key(), *PLACE, bytes(damaged))


@given(st.binary(max_size=2 * wrapping.BYTES))
def test_rubbish_is_refused_and_not_shown(rubbish: bytes) -> None:
    with pytest.raises(StoreError) as caught:
        wrapping.unwrap(master_key(), *PLACE, rubbish)
    assert caught.value.__cause__ is None
    assert str(caught.value).startswith("the pan key 1 of tenant shop cannot be opened")


def test_a_piece_and_another_master_key_are_refused() -> None:
    wrapped = wrapping.wrap(master_key(), *PLACE, SECRET)
    for wrong in (wrapped[:-1], wrapped + b"x", b""):
        with pytest.raises(StoreError):
            wrapping.unwrap(master_key(), *PLACE, wrong)
    with pytest.raises(StoreError):
        wrapping.unwrap(master_key(2), *PLACE, wrapped)


def test_the_same_key_is_never_wrapped_the_same_way() -> None:
    assert len({wrapping.wrap(master_key(), *PLACE, SECRET) for _ in range(100)}) == 100
