"""The part of a sample's line that all samples of one series share.

A line is `{"name":NAME,...,"attributes":{...},"value":VALUE,"time":NS}` (see wire/samples.py). Its
head, up to the value, is made once for a series and then repeated.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tailrace.core import limits
from tailrace.core.sample import NAME_CHARACTERS

NAME = "__name__"
VALUE = b',"value":'
# By convention what only goes up; of a histogram and a summary too.
_COUNTERS = ("_total", "_bucket", "_count", "_sum")
_SHORT = limits.LABEL_VALUE_BYTES // 4

_encoder = msgspec.json.Encoder()


class Refused(Exception):
    """This series cannot be stored; others can. `reason` is a key of REASONS."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


REASONS = {
    "name": f"a metric has no name, or one beyond {NAME_CHARACTERS} characters",
    "labels": f"more than {limits.LABELS_PER_SERIES} labels; put data into values, not into labels",
    "label_name": f"a label has no name, or one beyond {NAME_CHARACTERS} characters",
    "label_value": f"a value of a label is longer than {limits.LABEL_VALUE_BYTES} bytes",
    "label_twice": "a label is there twice",
    "label_nul": "a label holds a NUL",
    "label_refs": "references of labels are odd in number or beyond the symbols",
    "utf8": "a label is not valid UTF-8",
    "time": "a time is before 1970 or after 2109",
    "histogram": "a native histogram's spans, counts or schema cannot be, or do not fit together",
    "buckets": f"a native histogram has more than {limits.BUCKETS_PER_POINT} buckets of its own "
    f"bounds, or more than {limits.POINT_BYTES} bytes",
}


def head(labels: Mapping[str, str], kind: str = "", unit: str = "") -> bytes:
    """The head of the lines of a series; `labels` hold its name too.

    `kind` is "counter" or "gauge", by the name's ending when it is "". Raises Refused.
    """
    attributes = {name: value for name, value in labels.items() if value}
    metric = attributes.pop(NAME, "")
    if not 0 < len(metric) <= NAME_CHARACTERS:
        raise Refused("name")
    check(attributes)
    found: dict[str, object] = {"name": metric}
    if (kind or ("counter" if metric.endswith(_COUNTERS) else "gauge")) == "counter":
        found["kind"] = "counter"
    if unit:
        found["unit"] = unit[:NAME_CHARACTERS]
    found["attributes"] = attributes
    encoded = _encoder.encode(found)
    if b"\\u0000" in encoded and any("\0" in text for pair in labels.items() for text in pair):
        raise Refused("label_nul")
    return encoded[:-1] + VALUE


def check(attributes: Mapping[str, str]) -> None:
    """Raises Refused where labels pass a bound of core.sample."""
    if not attributes:
        return
    if len(attributes) > limits.LABELS_PER_SERIES:
        raise Refused("labels")
    if max(map(len, attributes)) > NAME_CHARACTERS or "" in attributes:
        raise Refused("label_name")
    # A character takes four bytes at most; nearly all values are short enough to know that.
    if max(map(len, attributes.values())) > _SHORT:
        for value in attributes.values():
            if len(value.encode()) > limits.LABEL_VALUE_BYTES:
                raise Refused("label_value")
