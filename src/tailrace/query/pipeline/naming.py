"""Names of labels made from what a line calls its fields."""

from __future__ import annotations

import re

from tailrace.core.limits import PIPELINE_NAMES
from tailrace.query.pipeline.labels import RESERVED, LabelSet

_OTHER = re.compile(r"[^A-Za-z0-9_]")
EXTRACTED = "_extracted"


def sanitized(key: str) -> str:
    """`key` as a label name, "" where nothing is left of it; none that is ours."""
    name = _OTHER.sub("_", key.strip())
    if name in RESERVED:
        return name + EXTRACTED
    return f"_{name}" if name[:1].isdigit() else name


def inner(prefix: str, key: str) -> str:
    """`prefix` and `key` as a label name; none that is ours."""
    name = f"{prefix}_{_OTHER.sub('_', key)}"
    return name + EXTRACTED if name in RESERVED else name


def taken(name: str, labels: LabelSet) -> bool:
    """Whether a parser must add `_extracted`: the row came with that name, or it is ours."""
    return name in labels.original_stream or name in labels.original_metadata or name in RESERVED


def claim(name: str, value: str, labels: LabelSet) -> None:
    """Set what a parser found; the first one that finds a name keeps it."""
    if taken(name, labels):
        name += EXTRACTED
    labels.parsed_labels.setdefault(name, value)


def assign(name: str, value: str | None, labels: LabelSet) -> None:
    """Set what the query asked for by name; what the line has not is "", unless a label has it."""
    if taken(name, labels):
        name += EXTRACTED
    if value is None:
        labels.parsed_labels.setdefault(name, "")
    else:
        labels.parsed_labels[name] = value


def remembered(key: str, names: dict[str, str], wanted: frozenset[str] | None) -> str:
    """`sanitized(key)`, kept in `names` as long as there is room; "" for what nobody wants."""
    name = sanitized(key)
    if wanted is not None and name not in wanted and name + EXTRACTED not in wanted:
        name = ""
    if len(names) < PIPELINE_NAMES:
        names[key] = name
    return name
