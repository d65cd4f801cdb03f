"""OTLP logs become canonical records."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from tailrace.core import limits
from tailrace.core.errors import InputError, TooLarge
from tailrace.wire.otlp import logs

from .otlprequests import NOW, as_json, rows


def request(*bodies: str) -> tuple[ExportLogsServiceRequest, Any]:
    """A request of one scope with these bodies, and its records."""
    found = ExportLogsServiceRequest()
    scope = found.resource_logs.add().scope_logs.add()
    for body in bodies:
        scope.log_records.add(time_unix_nano=NOW).body.string_value = body
    return found, scope.log_records


def first(found: ExportLogsServiceRequest) -> dict[str, Any]:
    content = logs.decode_protobuf(found.SerializeToString()).content
    return rows(content)[0]


def test_each_field_has_its_place() -> None:
    found = ExportLogsServiceRequest()
    group = found.resource_logs.add()
    group.resource.attributes.add(key="service.name").value.string_value = "shop"
    scope = group.scope_logs.add()
    scope.scope.name, scope.scope.version = "lib", "2"
    scope.scope.attributes.add(key="team").value.string_value = "blue"
    record = scope.log_records.add(time_unix_nano=NOW, severity_number=17, event_name="paid")
    record.trace_id, record.span_id = b"\xab" * 16, b"\xcd" * 8
    record.dropped_attributes_count = 3
    record.body.kvlist_value.values.add(key="a").value.int_value = 5
    user = record.attributes.add(key="user").value.kvlist_value.values.add(key="ids")
    user.value.array_value.values.add().int_value = 7
    record.attributes.add(key="ok").value.bool_value = True
    record.attributes.add(key="raw").value.bytes_value = b"hi"
    record.attributes.add(key="none")
    assert first(found) == {
        "time": NOW, "severity": "ERROR", "service": "shop", "trace_id": "ab" * 16,
        "span_id": "cd" * 8, "body": '{"a":5}', "resource": {"service.name": "shop"},
        "attributes": {
            "user.ids": "[7]", "ok": True, "raw": "aGk=", "none": "", "event.name": "paid",
            "otel.dropped_attributes_count": 3, "otel.scope.name": "lib",
            "otel.scope.version": "2", "otel.scope.team": "blue",
        },
    }  # fmt: skip
    assert rows(logs.decode_json(as_json(found)).content) == [first(found)]


@pytest.mark.parametrize(
    ("text", "number", "level"),
    [("warning", 0, "warning"), ("", 13, "WARN"), ("Achtung", 14, "WARN"),
     ("Achtung", 0, "Achtung"), ("info", 17, "info"), ("", 99, ""), ("", 0, "")],
)  # fmt: skip
def test_a_level_is_a_word_that_has_a_number_where_there_is_one(
    text: str, number: int, level: str
) -> None:
    found, (record,) = request("x")
    record.severity_text = text
    record.severity_number = number
    assert first(found).get("severity", "") == level


def test_an_observed_time_stands_where_there_is_no_other() -> None:
    found, (record,) = request("x")
    record.time_unix_nano, record.observed_time_unix_nano = 0, NOW
    assert first(found)["time"] == NOW
    record.observed_time_unix_nano = 2**63
    assert "time" not in first(found)


def test_attributes_are_read_alike_however_they_are_written() -> None:
    """Equal attributes are read once, in several shapes; each must be told from the others."""
    found, (record,) = request("x")
    expected: dict[str, Any] = {}
    for size in (*range(140), 300, 20_000):
        for name, value in ((f"t{size}", "v" * size), (f"k{'e' * size}", "v"), (f"i{size}", size)):
            if len(expected) == limits.ATTRIBUTES_PER_RECORD:
                break
            any_value = record.attributes.add(key=name).value
            setattr(any_value, "int_value" if isinstance(value, int) else "string_value", value)
            expected[name] = value
    assert first(found)["attributes"] == expected


@pytest.mark.parametrize(
    ("kind", "values"),
    [("int_value", [n * s for n in (0, 1, 127, 128, 300, 2**31, 2**56, 2**62, 2**63 - 1)
                    for s in (1, -1)]),
     ("double_value", [0.0, -0.0, 1.5, 1e300, 5e-324, math.inf, -math.inf, math.nan]),
     ("bool_value", [True, False])],
)  # fmt: skip
def test_numbers_are_read_alike_whether_their_key_is_known_or_not(
    kind: str, values: list[Any]
) -> None:
    found, (record,) = request("x")
    for value in values:
        known = record.attributes.add(key="known").value
        setattr(known, kind, value)
        setattr(record.attributes.add(key=f"n{value}").value, kind, value)
        odd = kind == "double_value" and not math.isfinite(value)
        expected = str(value) if odd else value
        attributes = first(found)["attributes"]
        assert (attributes["known"], attributes[f"n{value}"]) == (expected, expected)


def test_an_attribute_that_comes_twice_has_its_last_value() -> None:
    found, (record,) = request("x")
    for value in ("one", "two"):
        record.attributes.add(key="a").value.string_value = value
    record.attributes.add(key="n").value.kvlist_value.values.add(key="b").value.int_value = 1
    record.attributes.add(key="n.b").value.int_value = 2
    assert first(found)["attributes"] == {"a": "two", "n.b": 2}


def test_text_that_is_not_utf8_costs_a_character_and_not_the_request() -> None:
    found, (record, _) = request("b?dy", "fine")
    record.attributes.add(key="name").value.string_value = "v?lue"
    data = found.SerializeToString().replace(b"b?dy", b"b\xffdy").replace(b"v?lue", b"v\xfelue")
    content = logs.decode_protobuf(data).content
    assert content is not None
    assert content.repaired == {"utf8": 2}
    broken, whole = rows(content)
    assert (broken["body"], broken["attributes"]["name"]) == ("b\ufffddy", "v\ufffdlue")
    assert whole["body"] == "fine"


def test_a_body_is_cut_and_marked_and_has_no_nul() -> None:
    found, _ = request("é" * limits.LINE_BYTES, "a\0b")
    content = logs.decode_protobuf(found.SerializeToString()).content
    assert content is not None
    assert content.repaired == {"line_length": 1, "nul": 1}
    long, nul = rows(content)
    assert "[cut" in long["body"]
    assert len(long["body"].encode()) <= limits.LINE_BYTES
    assert nul["body"] == "a\ufffdb"


def test_records_that_cannot_be_kept_are_left_out_and_counted() -> None:
    found, (_, many, wide, _) = request("one", "two", "three", "four")
    for number in range(limits.ATTRIBUTES_PER_RECORD + 1):
        many.attributes.add(key=f"k{number}").value.int_value = number
    wide.attributes.add(key="k").value.string_value = "x" * (4 * limits.LINE_BYTES)
    huge = found.resource_logs.add()
    huge.resource.attributes.add(key="k").value.string_value = "x" * (limits.LABEL_VALUE_BYTES + 1)
    huge.scope_logs.add().log_records.add()
    export = logs.decode_protobuf(found.SerializeToString())
    assert export.content is not None
    assert [row["body"] for row in rows(export.content)] == ["one", "four"]
    assert export.rejected == 3
    assert export.reasons == {"attributes": 1, "line_length": 1, "resource": 1}
    assert export.message.startswith("record 2: has 513 attributes, more than 512")


def test_when_nothing_can_be_kept_the_request_is_refused() -> None:
    found, (record,) = request("x")
    for number in range(10_000):
        record.attributes.add(key=f"k{number}").value.int_value = number
    with pytest.raises(TooLarge, match="record 1: has 10000 attributes, more than 512"):
        logs.decode_protobuf(found.SerializeToString())


def test_nothing_is_a_success() -> None:
    assert logs.decode_protobuf(b"").content is None
    assert logs.decode_json(b"").content is None
    assert logs.decode_json(b'{"resourceLogs":[{"scopeLogs":[{}]}]}').content is None


def test_json_that_is_wrong_names_the_field() -> None:
    with pytest.raises(InputError, match=r"resourceLogs"):
        logs.decode_json(b'{"resourceLogs":5}')
    with pytest.raises(InputError, match="timeUnixNano"):
        logs.decode_json(
            b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"x"}]}]}]}'
        )


def test_json_may_write_numbers_as_texts_and_hold_fields_of_the_future() -> None:
    record = {
        "timeUnixNano": str(NOW), "severityNumber": "SEVERITY_NUMBER_ERROR2", "future": [1],
        "traceId": "AB" * 16, "spanId": "zz", "body": {"doubleValue": "NaN"},
        "attributes": [{"key": "n", "value": {"intValue": "7"}}, {"key": "d"},
                       {"key": "f", "value": {"doubleValue": 5}}],
    }  # fmt: skip
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}], "future": {}}
    content = logs.decode_json(json.dumps(body).encode()).content
    assert content is not None
    assert content.repaired == {"id": 1}
    assert rows(content) == [
        {"body": "nan", "time": NOW, "severity": "ERROR", "trace_id": "ab" * 16, "resource": {},
         "attributes": {"n": 7, "d": "", "f": 5.0}},
    ]  # fmt: skip
