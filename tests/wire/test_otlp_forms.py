"""Protobuf and JSON of one request are the same, and no bytes fail in an unforeseen way."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.core import sample, span
from tailrace.core.errors import InputError
from tailrace.wire import records

from .otlprequests import DECODERS, as_json, filled, rows

SIGNALS = sorted(DECODERS)
SEEDS = st.integers(0, 2**32)


def outcome(decode: Any, data: bytes) -> Any:
    """All that came of it, comparable."""
    try:
        found = decode(data)
    except InputError as error:
        return type(error), error.reason, str(error)
    content = found.content
    kept = (rows(content), content.repaired, content.signal) if content else None
    return kept, found.rejected, found.message, found.reasons


@pytest.mark.parametrize("signal", SIGNALS)
@settings(deadline=None, max_examples=examples(80))
@given(SEEDS, st.booleans())
def test_protobuf_and_json_of_one_request_are_the_same(
    signal: str, seed: int, enums_as_numbers: bool
) -> None:
    request = filled(signal, seed)
    decoder = DECODERS[signal]
    from_protobuf = outcome(decoder.decode_protobuf, request.SerializeToString())
    from_json = outcome(decoder.decode_json, as_json(request, enums_as_numbers))
    assert repr(from_protobuf) == repr(from_json)


def check(signal: str, content: Any) -> None:
    """Rows pass the checks of their readers."""
    if signal == "logs":
        assert not records.check(content.data).foreign
        return
    decoder = sample.decoder if signal == "metrics" else span.decoder
    found = decoder.decode_lines(content.data)
    assert len(found) == content.rows


@pytest.mark.parametrize("signal", SIGNALS)
@settings(deadline=None, max_examples=examples(40))
@given(SEEDS)
def test_rows_are_what_readers_of_them_expect(signal: str, seed: int) -> None:
    try:
        found = DECODERS[signal].decode_protobuf(filled(signal, seed).SerializeToString())
    except InputError:
        return
    if found.content:
        check(signal, found.content)


def whole(signal: str) -> tuple[bytes, bytes]:
    """A request with something in it, of a size that can be broken at every byte."""
    for seed in range(10_000):
        request = filled(signal, seed)
        data = request.SerializeToString()
        if 400 < len(data) < 1500 and isinstance(
            outcome(DECODERS[signal].decode_protobuf, data)[0], tuple
        ):
            return data, as_json(request)
    raise AssertionError("no seed makes such a request")


@pytest.mark.parametrize("is_json", [False, True])
@pytest.mark.parametrize("signal", SIGNALS)
def test_a_request_broken_at_any_byte_is_refused_or_read(signal: str, is_json: bool) -> None:
    data = whole(signal)[is_json]
    decoder = DECODERS[signal]
    decode = decoder.decode_json if is_json else decoder.decode_protobuf
    chance = random.Random(7)
    for place in range(len(data)):
        for broken in (
            data[:place],
            data[:place] + data[place + 1 :],
            data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :],
            data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :],
        ):
            try:
                found = decode(broken)
            except InputError as error:
                assert len(str(error)) < 500
                continue
            if found.content:
                check(signal, found.content)


@pytest.mark.parametrize("signal", SIGNALS)
@settings(deadline=None, max_examples=examples(80))
@given(st.binary(max_size=60) | st.text("\x0a\x12\x00\x02\x04\x06\x08\x80").map(str.encode))
def test_no_bytes_fail_in_another_way(signal: str, data: bytes) -> None:
    for decode in (DECODERS[signal].decode_protobuf, DECODERS[signal].decode_json):
        try:
            decode(data)
        except InputError as error:
            assert error.reason
