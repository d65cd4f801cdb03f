"""Values from labels, and which labels are left of a row."""

from __future__ import annotations

import math

import pytest

from tailrace.query.logql.ast import (
    Chosen,
    Comparison,
    Conversion,
    Drop,
    LabelFilter,
    LogfmtParser,
    Unwrap,
)
from tailrace.query.pipeline.labels import LabelSet
from tailrace.query.pipeline.unwrap import Sample, Unwrapper

STREAM = {"app": "shop"}


def sample(line: str, unwrap: Unwrap, wanted: frozenset[str] | None = None) -> Sample | None:
    return Unwrapper([LogfmtParser()], unwrap, wanted).process(0, line, STREAM, {})


VALUES: list[tuple[str, Conversion, float]] = [
    ("5", "", 5.0),
    ("-1.5e3", "", -1500.0),
    ("+Inf", "", math.inf),
    ("2KB", "bytes", 2000.0),
    ("1.5KiB", "bytes", 1536.0),
    ("7", "bytes", 7.0),
    ("1m30s", "duration", 90.0),
    ("250ms", "duration_seconds", 0.25),
    ("-2h", "duration", -7200.0),
    ("0", "duration", 0.0),
]


@pytest.mark.parametrize(("text", "conversion", "value"), VALUES)
def test_a_value_is_unwrapped(text: str, conversion: Conversion, value: float) -> None:
    found = sample(f"v={text} w=x", Unwrap("v", conversion))
    assert found is not None
    assert found.value == value
    assert found.row.labels.merged() == {"app": "shop", "w": "x"}


@pytest.mark.parametrize(
    ("text", "conversion"),
    [("x", ""), ("5s", ""), ("x", "bytes"), ("-5B", "bytes"), ("5", "duration"), ("x", "duration")],
)
def test_what_cannot_be_converted_is_an_error_of_the_row(text: str, conversion: Conversion) -> None:
    found = sample(f"v={text}", Unwrap("v", conversion))
    assert found is not None
    assert found.value == 0
    assert found.row.labels.get("__error__") == "SampleExtractionErr"
    assert text in found.row.labels.get("__error_details__")


def test_a_row_without_the_label_is_skipped() -> None:
    assert sample("w=1", Unwrap("v")) is None


def test_a_filter_after_unwrap_sees_the_label_and_the_error() -> None:
    large = LabelFilter(Comparison("v", ">", 5.0, "number"))
    good = LabelFilter(Comparison("__error__", "=", "", "string"))
    assert sample("v=6", Unwrap("v", "", (large,))) is not None
    assert sample("v=5", Unwrap("v", "", (large,))) is None
    assert sample("v=x", Unwrap("v", "", (good,))) is None
    assert sample("v=5", Unwrap("v", "", (good,))) is not None


def test_a_label_of_the_stream_can_be_unwrapped() -> None:
    found = Unwrapper([], Unwrap("v")).process(0, "", {"v": "3", "app": "shop"}, {})
    assert found is not None
    assert (found.value, found.row.labels.stream()) == (3.0, {"app": "shop"})


def test_only_wanted_labels_are_made() -> None:
    keep = LabelFilter(Comparison("x", "=", "1", "string"))
    found = sample("v=6 w=x x=1 y=2", Unwrap("v", "", (keep,)), frozenset({"w"}))
    assert found is not None
    assert found.row.labels.parsed() == {"w": "x", "x": "1"}


def test_a_dropped_label_is_not_unwrapped() -> None:
    stages = [LogfmtParser(), Drop((Chosen("v"),))]
    assert Unwrapper(stages, Unwrap("v")).process(0, "v=1", STREAM, {}) is None


def test_categories_are_told_apart_and_given_mappings_stay_as_they_are() -> None:
    stream, metadata = {"a": "1", "b": "2"}, {"c": "3", "d": "4"}
    labels = LabelSet(stream, metadata)
    labels.set("a", "5")
    labels.remove("c")
    labels.rename("b", "e")
    labels.rename("d", "f")
    labels.set("g", "6")
    labels.rename("g", "h")
    labels.fail("Bad", "why")
    assert labels.stream() == {"e": "2"}
    assert labels.metadata() == {"f": "4"}
    parsed = {"a": "5", "h": "6", "__error__": "Bad", "__error_details__": "why"}
    assert labels.parsed() == parsed
    assert labels.merged() == {"e": "2", "f": "4", **parsed}
    labels.remove("__error__")
    assert labels.parsed() == {"a": "5", "h": "6"}
    assert labels.get("nothing") == ""
    assert (stream, metadata) == ({"a": "1", "b": "2"}, {"c": "3", "d": "4"})
