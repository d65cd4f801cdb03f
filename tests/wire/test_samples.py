"""Samples: what is encoded is accepted and comes back, and of what is not the line is named."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core import limits, sample
from tailrace.core.errors import InputError
from tailrace.wire import samples
from tailrace.wire.samples import Exemplar, Sample

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
SAMPLES = st.builds(
    Sample,
    time=st.integers(1, 2**63 - 1),
    name=TEXT,
    value=st.floats(),
    kind=st.sampled_from(["gauge", "counter"]),
    unit=TEXT,
    attributes=st.dictionaries(TEXT, TEXT, max_size=4),
)
EXEMPLARS = st.builds(
    Exemplar,
    time=st.integers(0, 2**63 - 1),
    value=st.floats(),
    trace_id=TEXT,
    span_id=TEXT,
    attributes=st.dictionaries(TEXT, TEXT, max_size=4),
)
GOOD = b'{"time":1,"name":"a","value":1}\n'


@given(st.lists(SAMPLES, min_size=1, max_size=8))
def test_samples_round_trip(sent: list[Sample]) -> None:
    data = samples.encode(sent)
    samples.check(data)
    lines = data.split(b"\n")[:-1]
    for was, line in zip(sent, lines, strict=True):
        found = sample.decode(line)
        assert (found.time, found.name, found.kind) == (was.time, was.name, was.kind)
        assert (found.unit, found.attributes) == (was.unit, was.attributes)
        value, expected = float(found.value), float(was.value)
        assert value == expected or (math.isnan(value) and math.isnan(expected))


@given(st.floats(), st.lists(EXEMPLARS, max_size=4))
def test_exemplars_round_trip(value: float, sent: list[Exemplar]) -> None:
    data = samples.encode([Sample(1, "m", value, exemplars=sent)])
    samples.check(data)
    found = sample.decode(data).exemplars
    assert [repr(plain(one)) for one in found] == [repr(plain(one)) for one in sent]


def plain(one: Exemplar) -> Exemplar:
    return msgspec.structs.replace(one, value=float(one.value))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "json"), (b"text", "json"), (b"\xff", "json"), (b"[" * 100_000, "field"),
        (GOOD[:-1] + GOOD[:-1], "json"), (GOOD[:-1] + b"\r" + GOOD[:-1], "json"),
        (b"{}", "field"), (b"[]", "field"), (b'{"time":1,"name":"a"}', "field"),
        (b'{"time":0,"name":"a","value":1}', "field"),
        (b'{"time":9223372036854775808,"name":"a","value":1}', "field"),
        (b'{"time":1.5,"name":"a","value":1}', "field"),
        (b'{"time":1,"name":"","value":1}', "field"),
        (b'{"time":1,"name":"%s","value":1}' % (b"x" * 256), "field"),
        (b'{"time":1,"name":"a","value":null}', "field"),
        (b'{"time":1,"name":"a","value":"nan"}', "field"),
        (b'{"time":1,"name":"a","value":1e999}', "field"),
        (b'{"time":1,"name":"a","value":1,"kind":"histogram"}', "field"),
        (b'{"time":1,"name":"a","value":1,"labels":{}}', "field"),
        (b'{"time":1,"name":"a","value":1,"attributes":{"a":1}}', "field"),
        (b'{"time":1,"name":"a","value":1,"attributes":{"":"a"}}', "field"),
        (b'{"time":1,"name":"a","value":1,"exemplars":[{"time":1}]}', "field"),
        (b'{"time":1,"name":"a","value":1,"exemplars":[{"time":1,"value":1,"x":1}]}', "field"),
        (b'{"time":1,"name":"a","value":1,"exemplars":[{"time":1,"value":1,"trace_id":"%s"}]}'
         % (b"x" * 256), "field"),
        (b'{"time":1,"name":"a","value":1,"exemplars":[%s]}'
         % b",".join([b'{"time":1,"value":1}'] * (limits.EXEMPLARS_PER_SAMPLE + 1)), "field"),
        (b'{"time":1,"name":"a","value":1,"attributes":{"a":"%s"}}'
         % (b"x" * (limits.LABEL_VALUE_BYTES + 1)), "field"),
        (b'{"time":1,"name":"a","value":1,"attributes":{%s}}'
         % b",".join(b'"k%d":""' % n for n in range(limits.LABELS_PER_SERIES + 1)), "field"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("before", [0, 3, 20_000])
def test_the_first_line_that_is_no_sample_is_named(line: bytes, reason: str, before: int) -> None:
    with pytest.raises(InputError, match=f"^line {before + 1}: ") as error:
        samples.check(GOOD * before + line + b"\n" + GOOD + b"bad\n")
    assert error.value.reason == reason


def test_a_last_line_needs_no_newline() -> None:
    samples.check(GOOD + GOOD[:-1])
