"""How a command reaches a server: its address, the token, TLS."""

from __future__ import annotations

import argparse
import ssl
from pathlib import Path

import msgspec

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
    return Asking(arguments.url, token, _tls(arguments.tls_ca, arguments.tls_cert))


def _tls(ca: str | None, cert: str | None) -> ssl.SSLContext | None:
    if not ca and not cert:
        return None
    try:
        context = ssl.create_default_context(cafile=ca)
        if cert:
            # A key with a passphrase would ask for it on the terminal.
            context.load_cert_chain(cert, password=lambda: b"")
    except ssl.SSLError as error:
        raise OSError(f"--tls-ca, --tls-cert: {error.strerror}") from None
    return context
