"""The walk counts and cuts OTLP requests as the protobuf library sees them."""

from __future__ import annotations

import time

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from tailrace.core.errors import InputError, TooLarge
from tailrace.wire.otlp import answers, walk

_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@st.composite
def requests(draw: st.DrawFn) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    for number in range(draw(st.integers(0, 4))):
        group = request.resource_logs.add(schema_url=draw(st.sampled_from(["", "http://s"])))
        if draw(st.booleans()):
            group.resource.attributes.add(key="service.name").value.string_value = f"s{number}"
        for _ in range(draw(st.integers(0, 3))):
            scope = group.scope_logs.add(schema_url=draw(st.sampled_from(["", "http://t"])))
            scope.scope.name = draw(st.sampled_from(["", "lib"]))
            for body in draw(st.lists(_text, max_size=5)):
                scope.log_records.add(time_unix_nano=7, flags=1).body.string_value = body
    return request


def flat(request: ExportLogsServiceRequest) -> list[tuple[bytes, ...]]:
    """Each record with all that belongs to it."""
    return [
        (group.resource.SerializeToString(), group.schema_url.encode(),
         scope.scope.SerializeToString(), scope.schema_url.encode(), record.SerializeToString())
        for group in request.resource_logs for scope in group.scope_logs
        for record in scope.log_records
    ]  # fmt: skip


@settings(deadline=None)
@given(requests(), st.integers(200, 2000), st.integers(1, 10))
def test_the_pieces_hold_the_same_records_in_order(
    request: ExportLogsServiceRequest, limit_bytes: int, limit_rows: int
) -> None:
    data = request.SerializeToString()
    expected = flat(request)
    assert walk.count(data) == len(expected)
    pieces = list(walk.split(data, limit_bytes, limit_rows))
    found = [flat(ExportLogsServiceRequest.FromString(piece.data)) for piece in pieces]
    assert [record for piece in found for record in piece] == expected
    assert [len(piece) for piece in found] == [piece.rows for piece in pieces]
    for piece in pieces:
        assert walk.count(piece.data) == piece.rows <= limit_rows
        assert piece.rows == 1 or len(piece.data) <= limit_bytes
    if len(data) <= limit_bytes and 0 < len(expected) <= limit_rows:
        assert pieces == [(data, len(expected))]


@settings(deadline=None)
@given(st.binary(max_size=60) | st.text("\x0a\x12\x00\x02\x04\x06\x08\x80").map(str.encode))
def test_whatever_the_library_takes_is_counted_as_it_does(data: bytes) -> None:
    try:
        counted = walk.count(data)
    except InputError:
        counted = -1
    try:
        parsed = ExportLogsServiceRequest.FromString(data)
    except DecodeError:
        return  # what a record holds is not looked at here
    assert counted in (len(flat(parsed)), -1)
    if counted == -1:  # groups are refused
        assert any(byte & 7 in (3, 4) for byte in data)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_fail_in_another_way(data: bytes) -> None:
    try:
        for _ in walk.split(data, 16, 2):
            pass
    except InputError as error:
        assert error.reason in ("protobuf", "resource")


@pytest.mark.parametrize(
    "data",
    [b"\x0a", b"\x0a\x05x", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x00\x00",
     b"\x80" * 11, b"\x0b\x0c", b"\x09\x00", b"\x0a\x02\x12\x05", b"\x0f"],
)  # fmt: skip
def test_malformed_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(InputError, match="malformed protobuf"):
        walk.count(data)


def test_a_huge_resource_is_refused_instead_of_repeated() -> None:
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.add(key="k").value.string_value = "x" * 600
    scope = group.scope_logs.add()
    for _ in range(1000):
        scope.log_records.add()
    with pytest.raises(TooLarge, match="resource"):
        list(walk.split(request.SerializeToString(), 1000, 100))


def test_records_without_content_take_little_time() -> None:
    data = walk._nested(0x0A, walk._nested(0x12, b"\x12\x00" * 100_000))
    before = time.process_time()
    assert sum(piece.rows for piece in walk.split(data, 1 << 20, 10_000)) == 100_000
    assert time.process_time() - before < 3.0


def test_a_status_is_what_the_library_reads() -> None:
    status = pytest.importorskip("google.rpc.status_pb2").Status.FromString(
        answers.encode_status(3, "ü" * 200)
    )
    assert (status.code, status.message) == (3, "ü" * 200)
