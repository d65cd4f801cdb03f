"""Events of Splunk's collector: what becomes a record or a sample, and what is refused as what."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailrace.core import limits
from tailrace.core.errors import InputError, TooLarge
from tailrace.core.frame import Codec, Signal
from tailrace.wire import records, samples, splunk
from tailrace.wire.splunk import Refused

NOW = 1_800_000_000_000_000_000
EVENT = {
    "time": 1788256800.25,
    "host": "h1",
    "source": "app",
    "sourcetype": "_json",
    "index": "main",
    "event": "paid",
}


def decode(*events: Any, separator: str = "", origin: dict[str, str] | None = None) -> Any:
    body = separator.join(json.dumps(event) for event in events).encode()
    return splunk.decode(body, origin or {}, NOW)


def rows(found: Any) -> list[dict[str, Any]]:
    """The records, which must pass the check of canonical ones."""
    (content,) = found
    assert not records.check(content.data).foreign
    kept = [json.loads(line) for line in content.data.splitlines()]
    assert len(kept) == content.rows
    return kept


def test_the_envelope_fills_the_columns() -> None:
    (row,) = rows(decode({**EVENT, "fields": {"trace_id": "AB" * 16, "level": "warn", "n": 1}}))
    assert row == {
        "time": 1_788_256_800_250_000_000,
        "severity": "warn",
        "body": "paid",
        "trace_id": "ab" * 16,
        "attributes": {"n": 1},
        "resource": {
            "host.name": "h1", "com.splunk.source": "app", "com.splunk.sourcetype": "_json",
            "com.splunk.index": "main",
        },
    }  # fmt: skip


def test_an_object_is_read_by_the_common_names() -> None:
    said = {"message": "paid", "log": {"level": "info"}, "service": "shop", "user": {"id": 7}}
    (row,) = rows(decode({"event": said, "time": "1788256800"}))
    assert row["body"] == "paid"
    assert (row["severity"], row["service"]) == ("info", "shop")
    assert row["attributes"] == {"user.id": 7}
    assert row["resource"] == {"service.name": "shop"}


@pytest.mark.parametrize(
    ("event", "body"),
    [({"a": 1}, '{"a":1}'), ([1, "x"], '[1,"x"]'), (5, "5"), (True, "true"), (" x", " x")],
)
def test_any_event_has_a_body(event: Any, body: str) -> None:
    found = splunk.decode(json.dumps({"event": event}, separators=(",", ":")).encode(), {}, NOW)
    assert rows(found)[0]["body"] == body


@pytest.mark.parametrize("separator", ["", "\n", " ", "\r\n\r\n\t"])
def test_events_follow_each_other_in_any_way(separator: str) -> None:
    events = [{"event": f'}}{{"event": {number}'} for number in range(5)]
    assert [row["body"] for row in rows(decode(*events, separator=separator))] == [
        event["event"] for event in events
    ]
    assert [row["body"] for row in rows(decode(events))] == [event["event"] for event in events]


def test_what_the_request_says_holds_where_the_event_says_nothing() -> None:
    origin = {"host.name": "of the request", "com.splunk.source": "s"}
    first, second = rows(decode({"event": "a"}, {"event": "b", "host": "own"}, origin=origin))
    assert first["resource"] == origin
    assert second["resource"] == {**origin, "host.name": "own"}


@pytest.mark.parametrize(
    ("time", "found"),
    [
        (1788256800, 1_788_256_800_000_000_000),
        ("1788256800.123", 1_788_256_800_123_000_000),
        (1788256800123, 1_788_256_800_123_000_000),
        (None, None),
        ("soon", None),
    ],
)
def test_a_time_is_a_number_or_a_text(time: Any, found: int | None) -> None:
    assert rows(decode({"event": "x", "time": time}))[0].get("time") == found


def test_metrics_become_samples_and_the_rest_stays_logs() -> None:
    many = {"metric_name:cpu.user": 1.5, "metric_name:cpu.idle": "98", "core": 0}
    one = {"metric_name": "mem", "_value": 7, "region": "eu"}
    found = decode(
        {**EVENT, "event": "metric", "fields": many},
        {"event": "metric", "fields": one},
        {"event": "metric"},
    )
    logs, metrics = found
    assert rows([logs])[0]["body"] == "metric"
    assert (metrics.signal, metrics.codec, metrics.rows) == (Signal.METRICS, Codec.RECORDS, 3)
    samples.check(metrics.data)
    user, idle, mem = [json.loads(line) for line in metrics.data.splitlines()]
    assert (user["name"], user["value"], idle["value"]) == ("cpu.user", 1.5, 98.0)
    assert user["time"] == 1_788_256_800_250_000_000
    assert user["attributes"]["host.name"] == "h1"
    assert user["attributes"]["core"] == "0"
    assert mem == {"time": NOW, "name": "mem", "value": 7.0, "attributes": {"region": "eu"}}


@pytest.mark.parametrize(
    ("body", "code", "event"),
    [
        (b"", splunk.NO_DATA, None),
        (b" \r\n", splunk.NO_DATA, None),
        (b"[]", splunk.NO_DATA, None),
        (b'{"event":"a"}{"event":', splunk.BAD_DATA, 1),
        (b'{"event":"a"}\n{"event":"b"}\nx', splunk.BAD_DATA, 2),
        (b'{"event":"a"} 5', splunk.BAD_DATA, 1),
        (b'{"event":"a"}{"host":"h"}', splunk.NO_EVENT, 1),
        (b'{"event":"a"}{"event":null}', splunk.NO_EVENT, 1),
        (b'{"event":""}', splunk.BLANK_EVENT, 0),
        (b'{"event":"a","fields":[1]}', splunk.BAD_FIELDS, 0),
        (b'{"event":"metric","fields":{"metric_name:a":"much"}}', splunk.BAD_FIELDS, 0),
        (b'{"event":"metric","fields":{"metric_name:a":1%s}}' % (b"0" * 400), splunk.BAD_FIELDS, 0),
        (b'{"event":"metric","fields":{"metric_name:":1}}', splunk.BAD_FIELDS, None),
        (b'{"event":"\\ud800"}', splunk.BAD_DATA, 0),
        (b'{"event":{"a":' + b"[" * 5_000, splunk.BAD_DATA, 0),
        (b'[{"event":"a"},{"even":1}]', splunk.NO_EVENT, 1),
    ],
)
def test_what_is_wrong_has_its_code_and_the_number_of_the_event(
    body: bytes, code: int, event: int | None
) -> None:
    with pytest.raises(Refused) as caught:
        splunk.decode(body, {}, NOW)
    assert (caught.value.code, caught.value.event) == (code, event)


def test_every_cut_and_every_broken_byte_is_answered() -> None:
    whole = json.dumps({**EVENT, "fields": {"a": "é"}}).encode() * 2
    for place in range(len(whole)):
        for broken in (whole[:place], whole[:place] + b"\xff" + whole[place + 1 :],
                       whole[:place] + b"{" + whole[place:]):  # fmt: skip
            try:
                found = splunk.decode(broken, {}, NOW)
            except InputError:
                continue
            assert rows(found)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.text('ab"\\é{}\n', max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab.", max_size=2), inner),
    max_leaves=5,
)
KEYS = st.sampled_from(["time", "host", "source", "sourcetype", "index", "other"])
FIELDS = st.dictionaries(
    st.sampled_from(["metric_name", "metric_name:a", "_value", "level", "x"]), VALUES
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.dictionaries(KEYS, VALUES), VALUES, FIELDS), min_size=1, max_size=4))
def test_any_events_are_kept_or_refused(events: list[Any]) -> None:
    sent = [{**known, "event": event, "fields": fields} for known, event, fields in events]
    try:
        found = decode(*sent)
    except Refused as error:
        assert error.code in (splunk.NO_EVENT, splunk.BLANK_EVENT, splunk.BAD_FIELDS)
        return
    assert len(rows(found)) == len(sent)


def test_millions_of_small_objects_are_refused_before_parsing() -> None:
    tracemalloc.start()
    with pytest.raises(TooLarge) as caught:
        splunk.decode(b'{"event":1}' * 2_900_000, {}, NOW)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.reason == "events"
    assert peak < limits.MIB * 64


def test_raw_lines_are_events_of_their_own() -> None:
    origin = {"host.name": "h1"}
    content = splunk.decode_raw(b"one\r\n\ntwo\n", origin)
    assert (content.codec, content.data, content.rows) == (Codec.LINES, b"one\ntwo\n", 2)
    assert content.resource == origin
    timed = splunk.decode_raw(b"ERROR one\ntw\xe2\x80\xa8o\n", origin, "1788256800")
    assert [json.loads(line) for line in timed.data.splitlines()] == [
        {"time": 1_788_256_800_000_000_000, "body": "ERROR one", "severity": "ERROR",
         "resource": origin},
        {"time": 1_788_256_800_000_000_000, "body": "tw\u2028o", "resource": origin},
    ]  # fmt: skip
    with pytest.raises(Refused):
        splunk.decode_raw(b"\n", {})
