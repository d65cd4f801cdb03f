"""Frames are left out by their bytes only where no line of them can be wanted."""

from __future__ import annotations

import asyncio
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tail_fakes import Place, bodies

from tailrace.core.frame import Codec, Frame, Header
from tailrace.core.payload import compress
from tailrace.query.logql.parser import parse_log
from tailrace.query.tail.group import Group
from tailrace.query.tail.skipping import texts, wanted

TENANT = "acme"


def frame(payload: bytes, codec: Codec = Codec.RECORDS, tenant: str = TENANT) -> Frame:
    header = Header(tenant, "s", 1, 1, 1, len(payload), 0, 0, codec=codec)
    return Frame(header, compress(payload))


def skips(payload: bytes, *filters: str, codec: Codec = Codec.RECORDS) -> bool:
    groups = [Group(TENANT, parse_log(f'{{service_name="a"}} {one}'), 0) for one in filters]
    return not wanted([frame(payload, codec)], texts(groups, 16))


def test_a_payload_without_the_text_is_left_out_and_one_with_it_is_not() -> None:
    assert skips(b'{"body":"all is well"}', '|= "deadlock"')
    assert not skips(b'{"body":"a deadlock!"}', '|= "deadlock"')
    assert skips(b"all is well", '|= "deadlock"', codec=Codec.LINES)
    assert not skips(b"a deadlock", '|= "deadlock"', codec=Codec.LINES)


@pytest.mark.parametrize(
    "filters",
    [
        (),
        ('|~ "deadlock"',),
        ('!= "deadlock"',),
        ('|= "dea"',),
        ('|= ""',),
        ('|= "deadlock" or "no"',),
        ('| json |= "deadlock"',),
        ('| line_format "deadlock" |= "deadlock"',),
        ('|= "deadlock"', '!= "x"'),
        ('|= "404"',),
    ],
)
def test_queries_that_name_no_such_text_want_every_payload(filters: tuple[str, ...]) -> None:
    assert not skips(b'{"body":"all is well"}', *(filters or ("",)))


def test_each_query_of_the_tenant_is_asked_and_no_other_tenants() -> None:
    both = ('|= "deadlock"', '|= "out of memory" or "killed"')
    assert not skips(b'{"body":"out of memory"}', *both)
    assert not skips(b'{"body":"was killed"}', *both)
    assert skips(b'{"body":"well"}', *both)
    group = Group(TENANT, parse_log('{service_name="a"} |= "deadlock"'), 0)
    others = frame(b'{"body":"well"}', tenant="other")
    assert wanted([others], texts([group], 16)) == [others]


def test_of_several_filters_the_longest_text_is_looked_for() -> None:
    assert skips(b'{"body":"an error"}', '|= "error" |= "deadlock"')
    assert not skips(b'{"body":"a deadlock"}', '|= "error" |= "deadlock"')


def test_more_texts_than_are_asked_for_leave_nothing_out() -> None:
    groups = [Group(TENANT, parse_log(f'{{a="b"}} |= "text{"x" * n}"'), 0) for n in range(4)]
    assert texts(groups, 4)
    assert not texts(groups, 3)


def test_payloads_that_may_say_it_otherwise_are_not_judged() -> None:
    assert not skips(rb'{"body":"\u0064eadlock"}', '|= "deadlock"')
    assert not skips(rb'{"body":"\deadlock"}', '|= "deadlock"')
    assert not skips(b"\n\x08deadl", '|= "deadlock"', codec=Codec.OTLP)
    header = msgspec.structs.replace(frame(b"").header, bytes=10)
    broken = Frame(header, b"no zstd")
    group = Group(TENANT, parse_log('{a="b"} |= "deadlock"'), 0)
    assert wanted([broken], texts([group], 16)) == [broken]


def test_what_would_take_long_to_search_is_left_to_the_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tailrace.query.tail.skipping._SEARCHED_BYTES", 30)
    assert skips(b'{"body":"all is well"}', '|= "deadlock"')
    assert not skips(b'{"body":"all is well"}', '|= "deadlock"', '|= "killed"')


LINES = st.text(st.sampled_from('ab_-" \\/\n\t\x01é1日u{}:,'), max_size=12)


@given(line=LINES, needle=LINES, escaped=st.booleans(), nested=st.booleans())
def test_a_line_that_holds_the_text_is_never_left_out(
    line: str, needle: str, escaped: bool, nested: bool
) -> None:
    line += needle * 2
    body = json.dumps({"m": line}) if nested else line
    payload = json.dumps({"body": body}, ensure_ascii=escaped).encode()
    assert not skips(payload, f"|= {json.dumps(needle)}")
    assert not skips(line.encode(), f"|= {json.dumps(needle)}", codec=Codec.LINES)


def test_the_hub_has_the_others_decoded(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailrace.query.tail.skipping.expand", lambda payload, most: payload)

    async def body() -> None:
        outlet = place.join('{service_name="web"} |= "deadlock"')
        place.accept(place.frame(1, ["well"]), place.frame(2, ["a deadlock", "well"]))
        assert bodies(await place.message(outlet)) == ["a deadlock"]
        place.accept(place.frame(3, ["well"]))
        place.accept(place.frame(4, ["deadlock"]))
        assert bodies(await place.message(outlet)) == ["deadlock"]
        assert [one.header.seq for some in place.decoded for one in some] == [2, 4]
        place.hub.leave(outlet)

    asyncio.run(body())
