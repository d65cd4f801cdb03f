"""A place as it is kept: short, visible, and with a name that is the same in every process."""

from __future__ import annotations

import hashlib

import msgspec

from tailrace.core import limits
from tailrace.core.finding import Place
from tailrace.core.visible import visible

# In the field of a place that stands for those that were too many.
OTHERS = "(others)"
_CHARS = {"field": limits.FINDING_FIELD_CHARS, "code": limits.FINDING_CODE_CHARS}
_ID_BYTES = 16


def cleaned(place: Place) -> Place:
    """With texts of bounded length and no character that a terminal might obey. What is in them
    was chosen by the guard, which leaves out all that may be data."""
    texts = {name: getattr(place, name) for name in place.__struct_fields__ if name != "action"}
    news = {name: _text(text, _CHARS.get(name)) for name, text in texts.items()}
    return place if news == texts else msgspec.structs.replace(place, **news)


def _text(text: str, chars: int | None) -> str:
    chars = chars or limits.FINDING_NAME_CHARS
    if len(text) <= chars and text.isascii() and text.isprintable():
        return text
    # An escape is longer than what it stands for.
    return visible(text[:chars].replace("\t", " "))[:chars]


def id_of(place: Place) -> str:
    """A stable name: two processes give a place the same one."""
    return hashlib.sha256(msgspec.json.encode(place)).digest()[:_ID_BYTES].hex()


def others(place: Place) -> Place:
    """Where a place is counted when there is no room for it: with the others of its service."""
    return msgspec.structs.replace(place, version="", environment="", field=OTHERS, code="")


def others_of_all(place: Place) -> Place:
    """The same when there is no room for its service either."""
    return msgspec.structs.replace(others(place), service=OTHERS)
