"""What a file holds that only its owner should read: a token, a password."""

from __future__ import annotations

from pathlib import Path

from tailrace.core import limits
from tailrace.core.errors import ConfigError


def secret(path: str, key: str) -> str:
    """The one line that the file holds. Raises ConfigError, which says nothing of it."""
    try:
        with Path(path).open("rb") as file:
            found = file.read(limits.LABEL_VALUE_BYTES * 4).decode("ascii").strip()
    except OSError as error:
        raise ConfigError(f"{key}: {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{key}: {path} is not plain text") from None
    if not found or not found.isprintable():
        raise ConfigError(f"{key}: {path} must hold one line of text")
    return found
