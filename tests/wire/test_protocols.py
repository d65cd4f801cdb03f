"""Loki becomes canonical records."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core.errors import InputError
from tailrace.wire import labels, loki, records
from tailrace.wire.content import Content

NOW = 1_790_000_000_000_000_001


def rows(content: Content | None) -> list[dict[str, Any]]:
    """The records, which must pass the check of canonical ones."""
    assert content is not None
    assert not records.check(content.data).foreign
    return [json.loads(line) for line in content.data.splitlines()]


@given(st.dictionaries(st.from_regex(r"[a-z_]\w{0,9}", fullmatch=True).filter(str.isascii),
                       st.text(st.characters(exclude_categories=["Cs"]))))  # fmt: skip
def test_labels_round_trip(given_labels: dict[str, str]) -> None:
    def quoted(value: str) -> str:
        return '"' + re.sub(r'(["\\])', r"\\\1", value).replace("\n", "\\n") + '"'

    text = "{" + ", ".join(f"{k}={quoted(v)}" for k, v in given_labels.items()) + "}"
    assert labels.parse(text) == given_labels


@given(st.text('{}a="\\,n x'))
def test_labels_never_fail_in_another_way(text: str) -> None:
    try:
        labels.parse(text)
    except InputError as error:
        assert error.reason == "labels"


PUSH = {
    "streams": [
        {
            "stream": {"app": "shop", "level": "warn"},
            "values": [[str(NOW), "one", {"trace_id": "ab", "user": "u"}], [str(NOW), "two"]],
        }
    ]
}
EXPECTED = [
    {
        "severity": "warn",
        "service": "shop",
        "trace_id": "ab",
        "time": NOW,
        "body": "one",
        "attributes": {"trace_id": "ab", "user": "u"},
        "resource": {"app": "shop", "level": "warn"},
    },
    {
        "severity": "warn",
        "service": "shop",
        "time": NOW,
        "body": "two",
        "resource": {"app": "shop", "level": "warn"},
    },
]


def test_loki_json() -> None:
    assert rows(loki.decode_json(json.dumps(PUSH).encode())) == EXPECTED


def test_loki_protobuf() -> None:
    push = loki._messages["Push"]()
    stream = push.streams.add(labels=b'{app="shop", level="warn"}')
    for line in (b"one", b"two"):
        entry = stream.entries.add(line=line)
        entry.timestamp.seconds, entry.timestamp.nanos = divmod(NOW, 10**9)
    for name, value in ((b"trace_id", b"ab"), (b"user", b"u")):
        stream.entries[0].metadata.add(name=name, value=value)
    assert rows(loki.decode_protobuf(push.SerializeToString())) == EXPECTED
    stream.entries[1].line = b"t\xffo\0"
    content = loki.decode_protobuf(push.SerializeToString())
    assert rows(content)[1]["body"] == "t\ufffdo\ufffd"
    assert content.repaired == {"nul": 1, "utf8": 1}


@pytest.mark.parametrize(
    ("values", "text"),
    [([["now", "x"]], "timestamp"), ([["1"]], "each of"), ([["1", "x", 5]], "structured metadata")],
)
def test_loki_json_that_is_wrong_is_explained(values: Any, text: str) -> None:
    body = json.dumps({"streams": [{"stream": {"a": "b"}, "values": values}]}).encode()
    with pytest.raises(InputError, match=text):
        loki.decode_json(body)
