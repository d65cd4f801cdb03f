"""What a setting or its file holds that only the receiver should read."""

from __future__ import annotations

from pathlib import Path

from tailrace.alerts.delivery.outcome import NotTaken
from tailrace.core import limits


def secret(value: str, path: str) -> str:
    """`value`, or the one line of the file. Raises NotTaken, which says nothing of it."""
    if not path:
        return value
    try:
        with Path(path).open("rb") as file:
            found = file.read(limits.LABEL_VALUE_BYTES).decode("ascii").strip()
    except OSError as error:
        raise NotTaken(f"{path}: {error.strerror}", lasting=True) from None
    except UnicodeDecodeError:
        raise NotTaken(f"{path} is not plain text", lasting=True) from None
    if not found or not found.isprintable():
        raise NotTaken(f"{path} must hold one line of text", lasting=True)
    return found
