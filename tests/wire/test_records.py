"""Records are taken whole or refused with the line, the field and what to do."""

from __future__ import annotations

import json

import pytest

from tailrace.core.errors import InputError
from tailrace.core.frame import CANONICAL, Hints
from tailrace.wire import hints, records

FOREIGN = Hints(time_unit="auto", foreign=True)
GOOD = b'{"time":1,"body":"x"}\n'


def test_canonical_records_pass_untouched() -> None:
    row = {
        "time": 1_790_000_000_000_000_000,
        "severity": "INFO",
        "body": "é",
        "service": "s",
        "trace_id": "ab",
        "span_id": None,
        "attributes": {"n": 1, "o": {"k": [1]}},
        "resource": {"host.name": "h"},
    }
    data = json.dumps(row, ensure_ascii=False).encode() + b"\n" + b'{"body":"no time"}\n'
    content = records.decode(data)
    assert content.data is data
    assert (content.rows, content.hints, content.repaired) == (2, CANONICAL, {})


@pytest.mark.parametrize("body", [b'{"msg":"x","time":"noon"}\n' + GOOD, GOOD * 9 + b'{"ts":1}'])
def test_any_other_key_makes_the_body_foreign(body: bytes) -> None:
    assert records.decode(body).hints == FOREIGN


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        (b'{"time":"noon"}', "line 3: `time` must be an integer of nanoseconds"),
        (b'{"time":-1}', "line 3: `time` must be"),
        (b'{"time":99999999999999999999}', "line 3: `time` must be"),
        (b'{"body":5}', "line 3: `body` must be a string"),
        (b'{"attributes":[]}', "line 3: `attributes` must be an object"),
        (b'{"body":"x"', "line 3: is not valid JSON"),
        (b'{"attributes":{"a":"\x01"}}', "line 3: is not valid JSON"),
        (b"5", "line 3: must be a JSON object"),
        (b'{"a":' * 3000, "line 3: is nested too deeply"),
    ],
)
def test_a_bad_line_refuses_the_body_and_is_named(bad: bytes, text: str) -> None:
    with pytest.raises(InputError, match=text.replace("(", r"\(")):
        records.decode(GOOD * 2 + bad + b"\n" + GOOD)


def test_arrays_and_objects_over_many_lines_become_lines() -> None:
    rows = [{"body": "a\nb", "time": 1}, {"body": "c"}]
    array = records.decode(json.dumps(rows, indent=2).encode())
    assert [json.loads(line) for line in array.data.splitlines()] == rows
    one = records.decode(json.dumps(rows[0], indent=2).encode())
    assert one.rows == 1
    assert json.loads(one.data) == rows[0]
    blank = records.decode(b"\n" + GOOD + b"\r\n\n" + GOOD + b"\n")
    assert blank.rows == 2


@pytest.mark.parametrize("body", [b"", b" \n\n", b"[]"])
def test_a_body_without_records_is_refused(body: bytes) -> None:
    with pytest.raises(InputError) as caught:
        records.decode(body)
    assert caught.value.reason == "empty"


def test_bad_text_is_repaired_and_counted() -> None:
    content = records.decode(b'{"body":"a\xff\0"}')
    assert json.loads(content.data) == {"body": "a\ufffd\ufffd"}
    assert content.repaired == {"nul": 1, "utf8": 1}


def test_hints_come_from_parameters() -> None:
    found = hints.from_parameters({"time_key": "ts", "time_unit": "ms", "body_key": "msg"})
    assert found == Hints(time="ts", body="msg", time_unit="ms", foreign=True)
    assert hints.from_parameters({}) == CANONICAL
    assert records.decode(b'{"ts":1,"msg":"x"}', found).hints == found
    with pytest.raises(InputError, match="line 1: the time must be"):
        records.decode(b'{"ts":{},"msg":"x"}', found)
    with pytest.raises(InputError, match="time_unit must be one of"):
        hints.from_parameters({"time_unit": "days"})
    with pytest.raises(InputError, match="time_key must be 1 to"):
        hints.from_parameters({"time_key": ""})


@pytest.mark.parametrize("key", ['a"b', "a\\b", "a\nb", "\0"])
def test_a_key_of_the_time_that_cannot_be_read_is_refused(key: str) -> None:
    with pytest.raises(InputError, match="key of the time"):
        records.decode(b'{"a":1}', hints.from_parameters({"time_key": key}))


@pytest.mark.parametrize(
    "odd",
    [
        b'{"body":"a"}{"body":"b"}\n\n',
        b"  \n",
    ],
    ids=["two in a line and a blank one", "a line of spaces"],
)
def test_lines_that_are_no_single_record_are_refused_wherever_they_stand(odd: bytes) -> None:
    with pytest.raises(InputError) as caught:
        records.decode(GOOD + odd)
    assert caught.value.reason == "json"
