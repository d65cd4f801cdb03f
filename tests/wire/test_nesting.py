"""Objects within objects become names with dots, down to NESTED_DEPTH."""

from __future__ import annotations

import json
from typing import Any

from tailrace.core.limits import NESTED_DEPTH
from tailrace.wire import flat, nested

# An object within so many others, and the name that it has as deep as names go.
VALUE: dict[str, Any] = {"a": {"a": 1}}
for _ in range(NESTED_DEPTH - 1):
    VALUE = {"a": VALUE}
DEEPEST = ".".join("a" * NESTED_DEPTH)


def test_what_is_deeper_is_the_text_of_its_object() -> None:
    assert flat.flat([("n", VALUE)]) == {f"n.{DEEPEST}": '{"a":1}'}


def test_of_a_record_what_is_deeper_stays_an_object() -> None:
    line = json.dumps({"n": VALUE}).encode()
    assert json.loads(nested.flattened(line, 1)) == {f"n.{DEEPEST}": {"a": 1}}
