"""`| json label="a.b[0]"`: only these parts of the line's object become labels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec

from tailrace.query.logql.ast import Extraction
from tailrace.query.pipeline import naming
from tailrace.query.pipeline.jsonfields import NotJson, decoded
from tailrace.query.pipeline.labels import LabelSet
from tailrace.query.pipeline.step import JSON_ERROR, Step, refuse

Path: TypeAlias = tuple[str | int, ...]
_PART = re.compile(
    r"""(?P<field>[A-Za-z_][A-Za-z0-9_-]*+)"""
    r"""|\[[ ]*+(?:"(?P<quoted>(?:[^"\\]|\\.)*+)"|(?P<index>[0-9]{1,9}))[ ]*+\]""",
    re.DOTALL,
)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_SCALAR = msgspec.json.Decoder(float_hook=str)


def parse_path(text: str, position: int) -> Path:
    """`a.b["c d"][0].e` as its steps. Raises QueryError."""
    parts: list[str | int] = []
    at = 0
    while at < len(text):
        dotted = bool(parts) and text[at] == "."
        part = _PART.match(text, at + dotted)
        # A name follows a dot or begins; a bracket never follows a dot.
        bracket = part is not None and part["field"] is None
        if part is None or (dotted if bracket else not dotted and parts):
            break
        at = part.end()
        if part["index"] is not None:
            parts.append(int(part["index"]))
        else:
            parts.append(part["field"] or re.sub(r"\\(.)", r"\1", part["quoted"], flags=re.DOTALL))
    if not parts or at < len(text) or text.endswith("."):
        raise refuse(f'{text!r} is no path such as a.b[0]["c d"]: character {at + 1}', position)
    return tuple(parts)


def json_paths_step(extractions: Sequence[Extraction], position: int) -> Step:
    """`| json a="b.c", ...`. Raises QueryError."""
    paths = [(one.label, parse_path(one.path, position)) for one in extractions]

    def step(line: str, labels: LabelSet, _time_ns: int) -> str:
        fields: Any = None
        try:
            fields = _OBJECT.decode(line)
        except (ValueError, RecursionError):
            # Either no object, or a surrogate alone, which the other reader understands.
            try:
                fields = {k: msgspec.Raw(msgspec.json.encode(v)) for k, v in decoded(line).items()}
            except NotJson as error:
                labels.fail(JSON_ERROR, str(error))
        for label, path in paths:
            found = None if fields is None else _at(fields, path)
            naming.assign(label, found, labels)
        return line

    return step


def _at(fields: dict[str, Any], path: Path) -> str | None:
    """The text of what is at `path`: scalars as they are, others as compact JSON."""
    raw = fields.get(path[0]) if isinstance(path[0], str) else None
    for part in path[1:]:
        if raw is None:
            return None
        try:
            if isinstance(part, str):
                raw = _OBJECT.decode(raw).get(part)
            else:
                items = _ARRAY.decode(raw)
                raw = items[part] if part < len(items) else None
        except (ValueError, RecursionError):
            return None
    return None if raw is None else _text(bytes(raw))


def _text(raw: bytes) -> str | None:
    first = raw[:1]
    try:
        if first == b'"':
            return str(_SCALAR.decode(raw))
        if first in (b"{", b"["):
            return msgspec.json.format(raw, indent=-1).decode()
    except (ValueError, RecursionError):
        return None
    return None if raw == b"null" else raw.decode()
