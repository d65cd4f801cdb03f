"""Elasticsearch bulk bodies: what becomes a record, what fails an item, what fails the request."""

from __future__ import annotations

import json
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailrace.core import limits
from tailrace.core.errors import InputError, TooLarge
from tailrace.wire import elastic, records
from tailrace.wire.elasticitems import Filter, answer
from tailrace.wire.names import Reader, named

CREATE = b'{"create":{"_index":"logs-shop-default"}}\n'
FLAT = {
    "@timestamp": "2026-09-01T10:00:00.250Z",
    "message": "paid",
    "log.level": "warn",
    "service.name": "shop",
    "host.name": "h1",
    "trace.id": "AB" * 16,
    "span.id": "cd" * 8,
    "http.status": 200,
    "user.roles": ["a"],
}
NESTED = {
    "@timestamp": "2026-09-01T10:00:00.250Z",
    "message": "paid",
    "log": {"level": "warn"},
    "service": {"name": "shop"},
    "host": {"name": "h1"},
    "trace": {"id": "AB" * 16},
    "span": {"id": "cd" * 8},
    "http": {"status": 200},
    "user": {"roles": ["a"]},
}
ROW = {
    "time": 1_788_256_800_250_000_000,
    "severity": "warn",
    "body": "paid",
    "service": "shop",
    "trace_id": "ab" * 16,
    "span_id": "cd" * 8,
    "attributes": {
        "elasticsearch.index": "logs-shop-default", "http.status": 200, "user.roles": '["a"]',
    },
    "resource": {"service.name": "shop", "host.name": "h1"},
}  # fmt: skip


def lines(*values: Any) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def rows(found: elastic.Bulk) -> list[dict[str, Any]]:
    """The records, which must pass the check of canonical ones."""
    if found.content is None:
        return []
    assert not records.check(found.content.data).foreign
    kept = [json.loads(line) for line in found.content.data.splitlines()]
    assert len(kept) == found.content.rows
    return kept


@pytest.mark.parametrize("document", [FLAT, NESTED], ids=["dotted", "nested"])
def test_a_document_of_the_common_schema_fills_the_columns(document: Any) -> None:
    found = elastic.decode(CREATE + lines(document))
    assert rows(found) == [ROW]
    assert [item.status for item in found.items] == [201]


def test_actions_are_answered_in_order_and_one_failure_leaves_the_rest() -> None:
    body = (
        lines({"index": {"_index": "a", "_id": "1"}}, {"msg": "one"})
        + lines({"delete": {"_index": "a", "_id": "1"}})
        + lines({"update": {"_index": "a", "_id": "1"}}, {"doc": {"msg": "no"}})
        + b'{"create":{"_index":"a"}}\n{"msg":\n'
        + b'{"create":{"_index":"a"}}\n[1]\n'
        + b"\n"
        + lines({"create": {"_index": "A/../b"}}, {"msg": "no"})
        + lines({"create": {}}, {"msg": "two"})
    )
    found = elastic.decode(body, "logs-x-y")
    assert [(item.action, item.status) for item in found.items] == [
        ("index", 201), ("delete", 400), ("update", 400), ("create", 400), ("create", 400),
        ("create", 400), ("create", 201),
    ]  # fmt: skip
    assert [item.error for item in found.items[3:6]] == [
        "document_parsing_exception", "document_parsing_exception", "invalid_index_name_exception",
    ]  # fmt: skip
    assert [row["body"] for row in rows(found)] == ["one", "two"]
    assert rows(found)[0]["attributes"] == {
        "elasticsearch.index": "a",
        "elasticsearch.document_id": "1",
    }
    assert rows(found)[1]["attributes"] == {"elasticsearch.index": "logs-x-y"}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "required"),
        (CREATE + b'{"a":1}', "terminated by a newline"),
        (CREATE, "has no document"),
        (b'"create"\n{}\n', "Malformed action/metadata line of action .1., expected an object"),
        (CREATE + b'{}\n{"create"\n{}\n', "of action .2."),
        (b'{"make":{}}\n{}\n', r"expected field \[create\]"),
        (b'{"create":{},"index":{}}\n{}\n', "expected field"),
        (b'{"create":{}}\n{}\n', "index is missing"),
        (b'{"create":null}\n{}\n', "expected an object"),
        (b"[" * 100_000 + b"\n{}\n", "expected an object"),
    ],
)
def test_a_request_that_cannot_be_followed_is_refused_whole(body: bytes, text: str) -> None:
    with pytest.raises(InputError, match=text):
        elastic.decode(body)


@pytest.mark.parametrize(
    "name",
    ["../x", "..", ".", "a\nb", "a\0b", "A", "_x", "-x", "a b", "a*", "a,b", "a" * 256, "é" * 128],
)
def test_names_that_are_no_index_fail_their_item(name: str) -> None:
    found = elastic.decode(lines({"create": {"_index": name}}, {"message": "x"}))
    assert [item.error for item in found.items] == ["invalid_index_name_exception"]
    assert found.content is None


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"a": 1}, {"body": '{"a":1}'}),
        ({"message": {"a": 1}}, {"body": '{"message":{"a":1}}'}),
        ({"message": 5}, {"body": "5"}),
        ({"message": None}, {"body": ""}),
        ({"log": "raw", "msg": "said"}, {"body": "said"}),
        ({"message": "m", "time": "noon"}, {"body": "m"}),
        ({"message": "m", "time": 0.05, "ts": 1}, {"body": "m", "time": 50_000_000}),
        ({"message": "m", "@timestamp": 1788256800250}, {"time": 1_788_256_800_250_000_000}),
        ({"message": "m", "ts": 1788256800.25}, {"time": 1_788_256_800_250_000_000}),
        ({"message": "m", "time": "2026-09-01 12:00:00,25+02:00"},
         {"time": 1_788_256_800_250_000_000}),
        ({"message": "m", "level": 30}, {"severity": "30"}),
        ({"message": "a\0b"}, {"body": "a\ufffdb"}),
    ],
)  # fmt: skip
def test_other_documents_are_kept_whole(document: Any, expected: dict[str, Any]) -> None:
    (row,) = rows(elastic.decode(CREATE + lines(document)))
    assert row == row | expected


def test_of_two_names_the_first_of_the_table_is_read_and_the_other_stays() -> None:
    document = {"time": "2026-01-01T00:00:00Z", "@timestamp": "2026-09-01T10:00:00Z",
                "level": "info", "log": {"level": "error"}, "message": "m"}  # fmt: skip
    (row,) = rows(elastic.decode(CREATE + lines(document)))
    assert row["time"] == 1_788_256_800_000_000_000
    assert row["severity"] == "error"
    assert row["attributes"]["time"] == "2026-01-01T00:00:00Z"
    assert row["attributes"]["level"] == "info"


def test_a_name_that_comes_twice_has_its_last_value() -> None:
    found = elastic.decode(CREATE + b'{"message":"a","message":"b","x":1,"x":2}\n')
    (row,) = rows(found)
    assert (row["body"], row["attributes"]["x"]) == ("b", 2)


def test_text_that_is_no_utf8_is_repaired_and_counted() -> None:
    found = elastic.decode(CREATE + b'{"message":"a\xff"}\n')
    assert rows(found)[0]["body"] == "a\ufffd"
    assert found.content is not None
    assert found.content.repaired == {"utf8": 1}


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | FLOATS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab.", max_size=3), inner),
    max_leaves=8,
)
NAMES = st.sampled_from(
    ["@timestamp", "message", "log", "level", "service", "host", "trace", "span", "x", "time"]
)


# Machines that do much else draw slowly.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@PATIENT
@given(st.lists(st.dictionaries(NAMES, VALUES), min_size=1, max_size=5))
def test_any_documents_become_records(documents: list[dict[str, Any]]) -> None:
    found = elastic.decode(b"".join(CREATE + lines(document) for document in documents))
    assert len(rows(found)) == len(documents)
    assert not any(item.error for item in found.items)


@PATIENT
@given(st.dictionaries(NAMES, VALUES | st.dictionaries(st.sampled_from(["level", "id"]), VALUES)))
def test_one_pass_reads_what_a_second_look_reads(document: dict[str, Any]) -> None:
    found = named(document)
    reader = Reader()
    record = reader.record(document, {})
    assert record == found.record(reader.resource(found.service, found.host))


def test_every_cut_and_every_broken_byte_is_answered() -> None:
    whole = CREATE + lines(NESTED) + lines({"index": {"_index": "a"}}, {"message": "x"})
    for place in range(len(whole)):
        for broken in (whole[:place], whole[:place] + b"\x00" + whole[place + 1 :],
                       whole[:place] + b"{" + whole[place:]):  # fmt: skip
            try:
                found = elastic.decode(broken)
            except InputError:
                continue
            assert len(rows(found)) == sum(not item.error for item in found.items)


def test_a_hundred_thousand_actions_are_answered_in_bounded_memory_and_time() -> None:
    body = b'{"create":{"_index":"a"}}\n{"m":1}\n' * 100_000
    tracemalloc.start()
    found = elastic.decode(body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.content is not None
    assert found.content.rows == len(found.items) == 100_000
    assert peak < 2 * limits.DECODED_BYTES
    with pytest.raises(TooLarge) as caught:
        elastic.decode(b"\n" * (2 * limits.BULK_ACTIONS + 1))
    assert caught.value.reason == "actions"


def test_documents_that_are_too_much_fail_alone() -> None:
    hostile = [
        json.dumps({f"k{i}": i for i in range(10_000)}).encode(),
        b'{"message":"x","a":"' + b"y" * 3 * limits.LINE_BYTES + b'"}',
        b'{"message":"' + b"z" * limits.DOCUMENT_BYTES + b'"}',
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        json.dumps({"service": "s" * 5_000, "message": "x"}).encode(),
    ]
    body = b"".join(CREATE + document + b"\n" for document in hostile)
    found = elastic.decode(body + CREATE + lines({"message": "fine"}))
    assert [item.status for item in found.items] == [400] * len(hostile) + [201]
    assert [row["body"] for row in rows(found)] == ["fine"]
    assert all(len(item.reason) < 300 for item in found.items)


def test_an_id_is_no_longer_than_it_may_be() -> None:
    fits, longer = ("x" * (limits.DOCUMENT_ID_CHARS + more) for more in (0, 1))
    actions = ({"create": {"_index": "a", "_id": one}} for one in (fits, longer))
    found = elastic.decode(b"".join(lines(one, {"message": "m"}) for one in actions))
    assert [item.status for item in found.items] == [201, 400]


def test_nesting_cannot_multiply_a_document() -> None:
    document = b"{" + b'"%b":{' % (b"k" * 200) * 500 + b'"x":1' + b"}" * 501
    started_s = time.process_time()
    (row,) = rows(elastic.decode((CREATE + document + b"\n") * 1))
    assert time.process_time() - started_s < 1.0
    assert len(json.dumps(row)) < 5 * len(document)


def test_a_long_message_is_cut_and_says_so() -> None:
    found = elastic.decode(CREATE + lines({"message": "x" * (limits.LINE_BYTES + 1)}))
    assert found.content is not None
    assert found.content.repaired == {"line_length": 1}


@pytest.mark.parametrize(
    ("only", "path", "kept"),
    [
        ("", "items.*._id", True),
        ("errors,items.*.error,items.*.status", "items.*._id", False),
        ("errors,items.*.error,items.*.status", "items.*.status", True),
        ("errors,items.*.error,items.*.status", "took", False),
        ("items.*.error.type", "items.*.error", True),
        ("items", "items.*._id", True),
        ("**.status", "took", True),
        ("items.create.status", "items.*.status", True),
        ("-took", "took", False),
        ("-items.*._id", "items.*._id", False),
        ("-items.*._id", "items.*.status", True),
        ("took,", "errors", False),
    ],
)
def test_filter_path_leaves_what_it_names(only: str, path: str, kept: bool) -> None:
    assert Filter(only).keeps(*path.split(".")) is kept


def test_the_answer_holds_an_item_for_each_action() -> None:
    body = (
        CREATE + b"{}\n" + CREATE + b"{\n" + lines({"index": {"_index": "a", "_id": 'q"'}}, {})
        + CREATE + b"{}\n"
    )  # fmt: skip
    items = elastic.decode(body).items
    found = json.loads(answer(items, 7, "id-"))
    assert (found["took"], found["errors"]) == (7, True)
    created = {"_index": "logs-shop-default", "status": 201, "_version": 1, "result": "created"}
    assert found["items"][0] == {"create": {"_id": "id-0", **created}}
    assert found["items"][1]["create"]["error"]["type"] == "document_parsing_exception"
    assert found["items"][2]["index"]["_id"] == 'q"'
    assert found["items"][3] == {"create": {"_id": "id-3", **created}}
    short = json.loads(answer(items, 7, "id-", "errors,items.*.error,items.*.status"))
    assert short.keys() == {"errors", "items"}
    assert short["items"][0] == {"create": {"status": 201}}
    only_errors = json.loads(answer(items, 7, "id-", "items.*.error"))
    assert len(only_errors["items"]) == 1
    assert json.loads(answer(items[:1], 7, "id-", "items.*.error")) == {}
    assert json.loads(answer([], 7)) == {"took": 7, "errors": False, "items": []}
