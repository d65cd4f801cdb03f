"""The agent's protocol: what is encoded comes back, what is damaged is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core import limits
from tailrace.core.errors import InputError, TooLarge
from tailrace.core.frame import Codec, Frame, Header, Signal
from tailrace.core.payload import compress, describe
from tailrace.wire import frames


def frame(data: bytes = b"one\ntwo\n", **fields: Any) -> Frame:
    facts = msgspec.structs.asdict(describe(data))
    known: dict[str, Any] = {
        "tenant": "default", "source": "host-1", "epoch": 1, "seq": 2, "received_ns": 3,
        "codec": Codec.LINES, **facts, **fields,
    }  # fmt: skip
    return Frame(Header(**known), compress(data))


@given(st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=5))
def test_frames_round_trip(bodies: list[bytes]) -> None:
    sent = [frame(body, seq=n, resource={"host.name": "h"}) for n, body in enumerate(bodies)]
    assert frames.decode(frames.encode(sent)) == sent


def test_a_truncated_or_extended_body_is_refused() -> None:
    whole = frames.encode([frame(), frame(seq=3)])
    first = len(frames.encode([frame()]))
    for cut in range(len(whole)):
        if cut != first:
            with pytest.raises(InputError):
                frames.decode(whole[:cut])
    with pytest.raises(InputError):
        frames.decode(whole + b"x")


@pytest.mark.parametrize(
    "fields",
    [
        {"tenant": "../x"}, {"source": ""}, {"source": "a\n"}, {"rows": 0}, {"weight": 0},
        {"seq": -1}, {"epoch": -1}, {"bytes": limits.FRAME_BYTES + 1}, {"first_ns": -1},
        {"rows": limits.FRAME_ROWS + 1}, {"resource": {f"k{i}": "" for i in range(65)}},
    ],
)  # fmt: skip
def test_headers_out_of_bounds_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        frames.decode(frames.encode([frame(**fields)]))
    assert caught.value.reason == "header"


@pytest.mark.parametrize("fields", [{"rows": 3}, {"bytes": 9}, {"checksum": 1}])
def test_a_payload_that_is_not_what_its_header_says_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="frame 2") as caught:
        frames.decode(frames.encode([frame(), frame(**fields)]))
    assert caught.value.reason == "checksum"


def test_records_in_frames_are_checked_like_any_other() -> None:
    good = frame(b'{"body":"x"}\n', codec=Codec.RECORDS)
    assert frames.decode(frames.encode([good])) == [good]
    for bad in (b"{\n", b'{"other":1}\n'):
        with pytest.raises(InputError):
            frames.decode(frames.encode([frame(bad, codec=Codec.RECORDS)]))


SAMPLE = b'{"time":1,"name":"up","value":1}\n'


def test_samples_in_frames_are_checked_and_the_bad_line_is_named() -> None:
    good = frame(SAMPLE * 3, codec=Codec.RECORDS, signal=Signal.METRICS)
    assert frames.decode(frames.encode([good])) == [good]
    bad = frame(SAMPLE + b'{"body":"x"}\n', codec=Codec.RECORDS, signal=Signal.METRICS)
    with pytest.raises(InputError, match="frame 2: line 2: is no sample") as caught:
        frames.decode(frames.encode([good, bad]))
    assert caught.value.reason == "field"


SPAN = b'{"time":1,"name":"GET","trace_id":"a1","span_id":"b2"}\n'


def test_spans_in_frames_are_checked_and_the_bad_line_is_named() -> None:
    good = frame(SPAN * 3, codec=Codec.RECORDS, signal=Signal.SPANS)
    assert frames.decode(frames.encode([good])) == [good]
    bad = frame(SPAN + SAMPLE, codec=Codec.RECORDS, signal=Signal.SPANS)
    with pytest.raises(InputError, match="frame 2: line 2: is no span") as caught:
        frames.decode(frames.encode([good, bad]))
    assert caught.value.reason == "field"
    long = SPAN[:-2] + b',"status_message":"%s"}\n' % (b"x" * limits.SPAN_BYTES)
    with pytest.raises(TooLarge, match="frame 1: line 2: ") as caught:
        frames.decode(frames.encode([frame(SPAN + long, codec=Codec.RECORDS, signal=Signal.SPANS)]))
    assert (caught.value.status, caught.value.reason) == (413, "line_length")


@pytest.mark.parametrize(
    "fields",
    [
        {"signal": Signal.METRICS, "codec": Codec.LINES},
        {"signal": Signal.SPANS, "codec": Codec.LINES},
        {"signal": Signal.METRICS, "codec": Codec.RECORDS, "rows": limits.FRAME_ROWS,
         "resource": {"k": "x" * 700}},
    ],
)  # fmt: skip
def test_a_signal_that_cannot_be_stored_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        frames.decode(frames.encode([frame(SAMPLE, **fields)]))
    assert caught.value.reason == "header"


def test_counts_and_claims_are_limited() -> None:
    with pytest.raises(TooLarge):
        frames.decode(frames.encode([frame()] * (limits.FRAMES_PER_BODY + 1)))
    for lengths in (b"\xff\xff\xff\xff\0\0\0\1", b"\0\0\0\1\xff\xff\xff\xff"):
        with pytest.raises(TooLarge):
            frames.decode(frames.MAGIC + lengths + b"x" * 20)


def test_a_resource_leaves_room_for_so_many_rows() -> None:
    resource = {"k": "v" * (32 * limits.KIB - 1)}
    assert frames.rows_beside(resource, Signal.LOGS) == limits.REPEATED_BYTES // (32 * limits.KIB)
    for signal in (Signal.SPANS, Signal.METRICS):
        most = limits.REPEATED_LABEL_BYTES // (32 * limits.KIB)
        assert frames.rows_beside(resource, signal) == most
