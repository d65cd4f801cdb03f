"""What limits need to know of rows: services, label sets, the largest of each."""

from __future__ import annotations

from collections import Counter

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tailrace.core.frame import Codec, Header, Hints, Signal
from tailrace.wire.survey import Survey, survey

NAMES = st.text(min_size=0, max_size=8)
RECORDS = st.lists(
    st.fixed_dictionaries(
        {"body": st.text()},
        optional={
            "service": NAMES,
            "resource": st.dictionaries(st.sampled_from("abcd"), NAMES),
            "attributes": st.dictionaries(NAMES, st.integers(0, 9), max_size=6),
        },
    ),
    min_size=1,
    max_size=30,
)


def look(records: list[dict[str, object]], limit: int = 0, **of_header: object) -> Survey:
    data = b"".join(msgspec.json.encode(record) + b"\n" for record in records)
    base = Header("t", "s", 0, 0, len(records), len(data), 0, 0)
    header = msgspec.structs.replace(base, **of_header)
    return survey(data, header, attributes=limit, labels=limit)


@given(RECORDS)
def test_every_row_is_counted_for_its_service(records: list[dict[str, object]]) -> None:
    found = look(records, 2)
    assert found.rows == Counter(str(record.get("service", "")) for record in records)
    most = max(len(record.get("attributes", {})) for record in records)  # type: ignore[arg-type]
    assert found.attributes == (most if most > 2 else 0)


@given(RECORDS)
def test_label_sets_are_the_distinct_services_and_resources(
    records: list[dict[str, object]],
) -> None:
    sets = {
        (record.get("service", ""), msgspec.json.encode(record.get("resource", {})))
        for record in records
    }
    assert len(look(records).label_sets) == len(sets)


def test_a_series_is_a_name_and_its_attributes() -> None:
    samples: list[dict[str, object]] = [
        {"time": 1, "name": "up", "value": 1, "attributes": {"pod": pod}} for pod in "aab"
    ]
    samples.append({"time": 1, "name": "down", "value": 1, "attributes": {"pod": "a"}})
    found = look(samples, signal=Signal.METRICS)
    assert len(found.label_sets) == 3
    assert found.rows == {"": 4}


def test_foreign_records_are_counted_by_the_key_that_names_their_service() -> None:
    records: list[dict[str, object]] = [
        {"app": "shop", **{f"k{n}": n for n in range(9)}}, {"app": 7}, {"msg": "x"},
    ]  # fmt: skip
    found = look(records, 5, hints=Hints(service="app", foreign=True))
    assert found.rows == {"shop": 1, "": 2}
    assert found.attributes == 10


def test_lines_are_rows_of_no_service_and_long_ones_are_seen() -> None:
    header = Header("t", "s", 0, 0, 2, 7, 0, 0, codec=Codec.LINES)
    assert not survey(b"abc\nab\n", header, line_bytes=3).long_line
    found = survey(b"abcd\na\n", header, line_bytes=3)
    assert found.long_line
    assert found.rows == {"": 2}
