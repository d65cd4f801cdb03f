"""What is wrong with a setting, in words: the conversion says where, and its types know what is
right there."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec.inspect import DictType, ListType, LiteralType, StructType, Type, UnionType, type_info

_STEP = re.compile(r"\.(\w+)|\[(\d+|\.\.\.)\]")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_INVALID = re.compile(r"Invalid (?:enum )?value (.*)", re.DOTALL)


def mistake(error: msgspec.ValidationError, kind: type, raw: object) -> tuple[str, str]:
    """The setting, such as "server.listen", and what is wrong with it. `raw` is what could not be
    converted to `kind`."""
    text, _, place = str(error).partition(" - at `$")
    place = place.rstrip("`")
    key = place.lstrip(".")
    if unknown := _UNKNOWN.fullmatch(text):
        return f"{key}.{unknown[1]}".lstrip("."), _no_such(unknown[1], _names(kind, raw, place))
    choices = ", ".join(str(one) or '""' for one in _choices(_at(kind, raw, place))) or _tags(
        kind, raw, place
    )
    if choices and (invalid := _INVALID.fullmatch(text)):
        return key, f"{invalid[1]} is none of {choices}"
    return key or "the file", f"{text[:1].lower()}{text[1:]}"


def nearest(name: str, known: Iterable[str]) -> str:
    """What `name` may stand for, "" for nothing."""
    return next(iter(difflib.get_close_matches(name, known, 1)), "")


def _no_such(name: str, known: list[str]) -> str:
    meant = nearest(name, known)
    return f"no such setting; {f'is it {meant}?' if meant else 'there are ' + ', '.join(known)}"


def _names(kind: type, raw: object, place: str) -> list[str]:
    found = _at(kind, raw, place)
    return [one.encode_name for one in found.fields] if isinstance(found, StructType) else []


def _tags(kind: type, raw: object, place: str) -> str:
    """Where a setting tells which of several structs is meant: what it may be."""
    over, _, last = place.rpartition(".")
    *_, (found, _value) = _walk(kind, raw, over)
    structs = found.types if isinstance(found, UnionType) else ()
    tagged = [one for one in structs if isinstance(one, StructType) and one.tag_field == last]
    return ", ".join(str(one.tag) for one in tagged)


def _choices(found: Type) -> Iterator[object]:
    for one in found.types if isinstance(found, UnionType) else (found,):
        if isinstance(one, LiteralType):
            yield from one.values


def _at(kind: type, raw: object, place: str) -> Type:
    *_, (found, value) = _walk(kind, raw, place)
    return _struct(found, value)


def _walk(kind: type, raw: Any, place: str) -> Iterator[tuple[Type, Any]]:
    """The type and the value of each step of `place`, from the whole on."""
    found: Type = type_info(kind)
    yield found, raw
    for step in _STEP.finditer(place):
        found = _struct(found, raw)
        if isinstance(found, StructType):
            found = next((f.type for f in found.fields if f.encode_name == step[1]), found)
            raw = raw.get(step[1]) if isinstance(raw, dict) else None
        elif isinstance(found, ListType):
            found, raw = found.item_type, raw[int(step[2])]
        elif isinstance(found, DictType):
            found, raw = found.value_type, None
        yield found, raw


def _struct(found: Type, value: object) -> Type:
    """Of a union the list or the struct that `value` is meant to be."""
    if not isinstance(found, UnionType):
        return found
    for one in found.types:
        if isinstance(one, ListType | DictType):
            return one
        if isinstance(one, StructType):
            told = (
                value.get(one.tag_field) if isinstance(value, dict) and one.tag_field else one.tag
            )
            if told == one.tag:
                return one
    return found
