"""One line of a frame to a row of its signal."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from tailrace.core.errors import InputError

_T = TypeVar("_T")


def decode(decoder: msgspec.json.Decoder[_T], line: bytes, what: str) -> _T:
    """The row, called `what` in errors. Raises InputError ("json" when the line is none, "field"
    for a bound)."""
    try:
        return decoder.decode(line)
    except msgspec.ValidationError as error:
        raise InputError(f"is no {what}: {error}", "field") from error
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise InputError(f"is no {what}: {error}", "json") from error
