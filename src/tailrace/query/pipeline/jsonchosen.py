"""`| json` where few of its labels are wanted: the decoder skips all other fields.

A line is read this way only where it is plain that no field but the one of that very name, at the
top of the object, can become the label: the first part of the name stands in the line once, and
there in quotes as the whole name. All other lines are read in full.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from tailrace.query.pipeline import naming
from tailrace.query.pipeline.labels import RESERVED, LabelSet

# Each costs two searches in the line.
_MOST = 6
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9_]*)?")


def chosen_reader(
    wanted: frozenset[str], digits: type[str]
) -> Callable[[str, LabelSet], bool] | None:
    """Sets what is wanted of a line, or returns False and has done nothing.

    None where that cannot be told of these names. `digits`: the type of numbers kept as text.
    """
    bases = {name.removesuffix(naming.EXTRACTED) for name in wanted} | wanted
    names = sorted(bases - RESERVED)
    if len(names) > _MOST or not all(map(_NAME.fullmatch, names)):
        return None
    places = {f"f{place}": name for place, name in enumerate(names)}
    fields = msgspec.defstruct(
        "Fields", [(place, Any, msgspec.UNSET) for place in places], rename=places, gc=False
    )
    decode = msgspec.json.Decoder(fields, float_hook=digits).decode
    searched = [(name, f'"{name}"', name.partition("_")[0]) for name in names]
    extracted = {name: name + naming.EXTRACTED in wanted for name in names}

    def read(line: str, labels: LabelSet) -> bool:
        if "\\u" in line:
            return False
        stream, metadata = labels.original_stream, labels.original_metadata
        for name, quoted, part in searched:
            if (name in stream or name in metadata) and not extracted[name]:
                continue
            count = line.count(part)
            if count > 1 or (count and quoted not in line):
                return False
        try:
            values = msgspec.structs.astuple(decode(line))
        except (ValueError, RecursionError):
            return False
        found = []
        for name, value in zip(names, values, strict=True):
            if value is msgspec.UNSET:
                continue
            text = value if type(value) is str else _text(value)
            if text == "0" and "-0" in line:
                return False
            if text is not None:
                taken = name in stream or name in metadata
                found.append((name + naming.EXTRACTED if taken else name, text))
        for name, text in found:
            labels.parsed_labels.setdefault(name, text)
        return True

    return read


def _text(value: Any) -> str | None:
    """None for what is no scalar."""
    if type(value) is bool:
        return "true" if value else "false"
    return None if value is None or isinstance(value, dict | list) else str(value)
