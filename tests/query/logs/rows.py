"""Random log rows and stages: lines of JSON, of pairs, of neither, with what makes SQL unsure."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

names = st.sampled_from(["status", "dur", "http_code", "size", "user"])
numbers = st.sampled_from([
    "0", "5", "200", "500", "1.5", "1.50", "1e3", "-0", "-2", "", "x", "250ms", "1.5s", "20MB",
    "1_000", "0x10",
    "99999999999999999999999999999h", "9" * 40, "1e400", "123456789123h", "NaN", "7 ", "héllo",
    'q"uote', "a b", "true",
])  # fmt: skip
values = st.one_of(
    numbers,
    st.integers(-3, 600),
    st.sampled_from([1.5, 2.50, 1e3, 0.1, -0.0]),
    st.booleans(),
    st.none(),
    st.just([1, 2]),
)
keys = st.sampled_from([
    "status", "dur", "http_code", "http.code", "size", "user", "level", "service_name",
    "st\u00e4tus",
])  # fmt: skip
objects = st.recursive(
    st.dictionaries(keys, values, max_size=4),
    lambda inner: st.dictionaries(st.sampled_from(["http", "user", "a"]), inner, max_size=2),
    max_leaves=6,
)


def _dumped(found: Any, escape: bool) -> str:
    text = json.dumps(found, ensure_ascii=escape)
    return text.replace("status", "st\\u0061tus") if escape else text


json_lines = st.builds(_dumped, objects, st.booleans())
pairs = st.lists(
    st.tuples(keys, st.one_of(numbers, st.just("a b").map(json.dumps), numbers.map(json.dumps))),
    max_size=4,
).map(lambda found: " ".join(f"{key}={value}" for key, value in found))
odd = st.sampled_from([
    "", "plain text", "status=500 tail", '{"status": 5', "[1, 2]", '"text"', "status= 5",
    'msg="status=7 x" status=8', 'status="5', "a=b=c status=1", "  status=3", "status", "=5",
    '{"status":500}trailing', '{"a":{"status":1},"status":2}', '{"http":{"code":1},"http_code":2}',
    "status=h\u00e9llo\nuser dur=5", "status= ", "a status =\u00e9 5=\n", "status=5%_ x=7",
])  # fmt: skip
lines = st.one_of(json_lines, pairs, odd)
rows = st.lists(
    st.fixed_dictionaries({
        "second": st.integers(0, 60),
        "body": lines,
        "severity": st.sampled_from([0, 1, 9, 10, 17]),
        "service": st.sampled_from(["web", "api"]),
        "weight": st.sampled_from([1, 1, 1, 20]),
        "resource": st.sampled_from([{}, {"http.code": "r"}, {"zone": "a"}]),
        "attributes": st.sampled_from([{}, {"status": "attr"}, {"http.code": "7"}, {"dur": "3"}]),
    }),
    min_size=1,
    max_size=12,
)  # fmt: skip
