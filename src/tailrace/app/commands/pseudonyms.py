"""Asks a server for the pseudonyms of a value that whoever asks already holds."""

from __future__ import annotations

import getpass
import sys
import urllib.error
import urllib.request

import msgspec

from tailrace.app.commands.asking import Asking
from tailrace.core import limits
from tailrace.core.errors import QueryError, StoreError

TIMEOUT_S = 30.0
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


def ask(server: Asking, kind: str, value: str) -> Answer:
    """Raises QueryError, StoreError; neither holds the value."""
    if not server.url.startswith(("http://", "https://")):
        raise StoreError(f"--url {server.url} is no http:// or https:// address")
    headers = {"Content-Type": "application/json"}
    if server.token:
        headers["Authorization"] = f"Bearer {server.token}"
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
        f"{server.url.rstrip('/')}{PATH}",
        data=msgspec.json.encode({"kind": kind, "value": value}),
        headers=headers,
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=server.tls) as answer:  # noqa: S310
            return msgspec.json.decode(answer.read(limits.MIB), type=Answer)
    except urllib.error.HTTPError as error:
        with error:
            said = error.read(4096).decode("utf-8", "replace").strip()
        said = said.replace(value, "...")
        raise QueryError(f"{said or error.reason} ({error.code})") from None
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise StoreError(f"cannot ask {server.url}: {reason}; is `tailrace up` running?") from None
    except msgspec.MsgspecError:
        raise StoreError(f"{server.url} does not answer as a tailrace server") from None
