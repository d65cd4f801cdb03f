"""Asks a server for the pseudonyms of a value that whoever asks already holds."""

from __future__ import annotations

import getpass
import sys

import msgspec

from tailrace.client.server import Server
from tailrace.core import limits
from tailrace.core.errors import QueryError

PATH = "/api/v1/pseudonyms"


class Pseudonym(msgspec.Struct):
    """One for each key that is not destroyed."""

    epoch: int
    pseudonym: str


class Answer(msgspec.Struct):
    """The oldest first."""

    kind: str
    pseudonyms: list[Pseudonym]


def read_value() -> str:
    """From standard input, without its line break; a terminal does not show it. Raises
    QueryError."""
    try:
        if sys.stdin.isatty():
            found = getpass.getpass("value: ")
        else:
            found = sys.stdin.read(limits.LABEL_VALUE_BYTES + 1).rstrip("\r\n")
    except UnicodeDecodeError:
        raise QueryError("the value on standard input is no UTF-8") from None
    if not found or len(found) > limits.LABEL_VALUE_BYTES or "\n" in found:
        raise QueryError(
            f"give one value on standard input, one line of at most {limits.LABEL_VALUE_BYTES} "
            "characters"
        )
    return found


def ask(server: Server, kind: str, value: str) -> Answer:
    """Raises QueryError, StoreError; neither holds the value."""
    body = msgspec.json.encode({"kind": kind, "value": value})
    try:
        return server.parse(server.post(PATH, body), Answer)
    except QueryError as error:
        raise QueryError(str(error).replace(value, "...")) from None
