"""Whatever is logged gives a record that the gateway takes as it is."""

from __future__ import annotations

import datetime
import decimal
import enum
import json
import logging
import math
import pathlib
import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.examples import examples

from tailrace.core import limits
from tailrace.core.errors import ConfigError
from tailrace.logging import Handler, Sender
from tailrace.logging.records import Records
from tailrace.logging.values import plain
from tailrace.wire import records


class Kept(Sender):
    """Keeps the lines."""

    lines: list[bytes]

    def put(self, line: bytes) -> bool:
        self.lines.append(line)
        return True


def line_of(**fields: Any) -> bytes:
    """The line of a record with these fields."""
    sender = Kept(service="shop")
    sender.lines = []
    record = logging.makeLogRecord({"name": "shop", "msg": "paid", **fields})
    assert Handler(sender).handle(record)
    assert sender.dropped == 0
    (line,) = sender.lines
    return line


def accepted(line: bytes) -> dict[str, Any]:
    content = records.decode(line)
    assert content.rows == 1
    assert not content.hints.foreign
    assert not content.repaired
    found: dict[str, Any] = json.loads(content.data)
    return found


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no")

    __str__ = __repr__


class Endless(list[Any]):
    def __iter__(self) -> Any:
        while True:
            yield "again"


class Colour(enum.IntEnum):
    RED = 1


class Mood(enum.StrEnum):
    GLAD = "glad"


text = st.text(st.characters(exclude_categories=()), max_size=20)
leaves = (
    st.none() | st.booleans() | st.integers() | st.integers(-(10**400), 10**400)
    | st.floats() | text | st.binary(max_size=20) | st.datetimes() | st.decimals() | st.uuids()
    | st.complex_numbers() | st.builds(object) | st.builds(Hostile)
    | st.builds(lambda: 1 << 20_000) | st.just("x" * 300_000) | st.just("\0\ud800" * 50_000)
    | st.just(Endless()) | st.just(print) | st.just(Colour.RED)
)  # fmt: skip
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner)
        | st.dictionaries(text | st.integers() | st.none(), inner, max_size=4)
        | st.sets(st.integers() | text, max_size=4)
    ),
    max_leaves=12,
)
quick = settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))


@quick
@given(st.dictionaries(text.filter(lambda name: name not in ("msg", "name")), values, max_size=5))
def test_any_extra_field_is_accepted(fields: dict[str, Any]) -> None:
    fields = {key: value for key, value in fields.items() if key not in vars(blank())}
    row = accepted(line_of(**fields))
    assert row["body"] == "paid"


@quick
@given(
    values,
    values,
    st.fixed_dictionaries(
        {},
        optional={
            name: values
            for name in ("created", "levelname", "pathname", "lineno", "funcName", "threadName",
                         "process", "exc_info", "exc_text", "stack_info", "trace_id", "span_id")
        },
    ),
)  # fmt: skip
def test_any_message_and_any_field_of_a_record_is_accepted(
    message: Any, args: Any, fields: dict[str, Any]
) -> None:
    accepted(line_of(**{**fields, "msg": message, "args": args}))


def blank() -> logging.LogRecord:
    return logging.makeLogRecord({})


def test_a_value_that_holds_itself_ends() -> None:
    cycle: dict[str, Any] = {"name": "loop"}
    cycle["self"] = cycle
    many: list[Any] = []
    many += [many] * 100
    row = accepted(line_of(cycle=cycle, many=many))
    assert row["attributes"]["cycle"]["self"]["self"]["name"] == "loop"
    assert len(json.dumps(row)) < 5_000


def test_a_record_beyond_every_limit_is_cut_and_accepted() -> None:
    fields = {f"key{n}" + "é" * 300: "\0" * 20_000 for n in range(600)}
    row = accepted(line := line_of(**fields, msg="\x01" * 100_000))
    assert len(line) <= limits.LINE_BYTES
    assert len(row["attributes"]) <= limits.APP_ATTRIBUTES
    assert row["body"].endswith("…")


def test_a_long_traceback_keeps_its_end() -> None:
    found = accepted(line_of(exc_text="start " + "x" * 50_000 + " the end"))
    stack = found["attributes"]["exception.stacktrace"]
    assert len(stack) <= limits.APP_VALUE_CHARS
    assert stack.startswith("start") and stack.endswith("the end")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("text", "text"), (5, 5), (True, True), (1.5, 1.5), (None, ""),
        (math.nan, "nan"), (-math.inf, "-inf"), (2**63, str(2**63)), (-(2**63), -(2**63)),
        (b"\xff", "b'\\xff'"), ({"a": [1, None]}, {"a": [1, None]}), ((1, 2), [1, 2]),
        ({3: {4}}, {"3": [4]}), (Colour.RED, 1), (Mood.GLAD, "glad"),
        (decimal.Decimal("1.10"), "1.10"), (uuid.UUID(int=1), str(uuid.UUID(int=1))),
        (datetime.date(2026, 1, 2), "2026-01-02"), (pathlib.PurePosixPath("/a"), "/a"),
        (ValueError("x"), "ValueError('x')"), (Hostile(), "<Hostile that cannot be read>"),
        ([math.nan], ["nan"]), (Endless(), [*["again"] * 255, "…"]),
    ],
)  # fmt: skip
def test_values_become_what_a_reader_expects(value: Any, found: Any) -> None:
    assert plain(value) == found


def test_a_body_a_name_and_what_is_nested_are_cut_at_their_bounds() -> None:
    wide = list(range(2 * limits.APP_PARTS))
    deep: Any = "bottom"
    for _ in range(2 * limits.APP_DEPTH):
        deep = {"in": deep}
    name = "k" * 2 * limits.APP_NAME_CHARS
    row = accepted(line_of(msg="b" * 2 * limits.APP_BODY_CHARS, wide=wide, deep=deep, **{name: 1}))
    assert len(row["body"]) == limits.APP_BODY_CHARS
    assert len(row["attributes"]["wide"]) <= limits.APP_PARTS + 1
    assert json.dumps(row["attributes"]["deep"]).count("in") <= limits.APP_DEPTH + 1
    assert max(map(len, row["attributes"])) == limits.APP_NAME_CHARS


def test_a_resource_beyond_its_bound_is_refused() -> None:
    Records("shop", resource={"k": "v" * (limits.APP_RESOURCE_BYTES // 2)})
    with pytest.raises(ConfigError, match="repeated in every record"):
        Records("shop", resource={"k": "v" * limits.APP_RESOURCE_BYTES})
