"""How a command reaches a server: its address, the token, TLS; and a question to it."""

from __future__ import annotations

import argparse
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path

import msgspec

from tailrace.app.commands.common import complain
from tailrace.core.errors import QueryError, StoreError, TailraceError
from tailrace.core.tls import context

TIMEOUT_S = 30.0
_REFUSAL_BYTES = 4096
DEFAULT_URL = "http://127.0.0.1:7480"


class Asking(msgspec.Struct, frozen=True):
    """Where to ask, and with what. `tls` is None for what the system trusts."""

    url: str
    token: str = ""
    tls: ssl.SSLContext | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`--url`, `--token-file`, `--tls-ca` and `--tls-cert`."""
    parser.add_argument("--url", default=DEFAULT_URL, help="the server's address")
    parser.add_argument("--token-file", type=Path, help="file that holds the bearer token")
    parser.add_argument("--tls-ca", metavar="FILE", help="PEM file to verify an https server with")
    parser.add_argument(
        "--tls-cert", metavar="FILE", help="PEM file of the certificate to show, with its key"
    )


def asking(arguments: argparse.Namespace) -> Asking:
    """As the arguments say. Raises OSError for a file that cannot be used."""
    path = arguments.token_file
    token = path.read_text().strip() if path else ""
    return Asking(arguments.url, token, context(arguments.tls_ca, arguments.tls_cert))


def complaining(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """A command that asks, with what went wrong on standard error: its exit status is 2 for a file
    that cannot be used, 1 where the server cannot be asked or refuses."""

    @wraps(run)
    def command(arguments: argparse.Namespace) -> int:
        try:
            return run(arguments)
        except OSError as error:
            return complain(str(error), 2)
        except TailraceError as error:
            return complain(str(error), 1)
        except msgspec.MsgspecError as error:
            said = f"{arguments.url} does not answer as a tailrace server: {error}"
            return complain(said, 1)

    return command


def get(
    server: Asking,
    path: str,
    asked: Mapping[str, object],
    most_bytes: int,
    timeout_s: float = TIMEOUT_S,
) -> bytes:
    """The answer to a GET of `path` with `asked` as its parameters. Raises QueryError when it is
    refused, StoreError when there is none."""
    return _answer(server, f"{path}?{urllib.parse.urlencode(asked)}", None, most_bytes, timeout_s)


def post(
    server: Asking, path: str, body: bytes, most_bytes: int, timeout_s: float = TIMEOUT_S
) -> bytes:
    """The answer to a POST of the JSON `body` to `path`. Raises as `get` does."""
    return _answer(server, path, body, most_bytes, timeout_s)


def _answer(
    server: Asking, target: str, sent: bytes | None, most_bytes: int, timeout_s: float
) -> bytes:
    if not server.url.startswith(("http://", "https://")):
        raise StoreError(f"--url {server.url} is no http:// or https:// address")
    headers = {"Authorization": f"Bearer {server.token}"} if server.token else {}
    if sent is not None:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
        f"{server.url.rstrip('/')}{target}", data=sent, headers=headers
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout_s, context=server.tls) as answer:  # noqa: S310
            body: bytes = answer.read(most_bytes)
            return body
    except urllib.error.HTTPError as error:
        with error:
            said = error.read(_REFUSAL_BYTES).decode("utf-8", "replace").strip()
        raise QueryError(f"{said or error.reason} ({error.code})") from None
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise StoreError(f"cannot ask {server.url}: {reason}; is `tailrace up` running?") from None
